import { generateKeyPairSync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { type AuditRecord } from '#contracts';
import { NoteSigner } from '#tlog';
import { DatabaseTrail, verifyTrail } from '../apps/gatekeeper/src/notary/core/index.js';
import { Sequencer } from '../apps/gatekeeper/src/notary/core/sequencer.js';
import { type Bench, type BenchContext, type BenchResult } from './harness/bench.js';
import { median, quantile } from './harness/statistics.js';
import { timed } from './harness/timed.js';
import { startGatekeeperDatabase, type GatekeeperDatabase } from './support/gatekeeper-database.js';
import { throughLogger } from './support/ingest.js';
import { decisionRecord } from './support/records.js';
import { searchTimes } from './support/search.js';

const ROUNDS = 3;
const EVENTS = 200_000;
const TENANTS = 10;
const INTERVAL_MS = 1000;
const BATCH_SIZE = 10_000;
const CAUGHT_UP_MS = 60_000;

/** The whole trail: months, entities, indexes, and a transparency log for each of ten tenants. */
export const trail: Bench = {
  name: 'trail',
  about: 'ingest with proofs and without, delay of checkpoints, speed of verification and of searches',
  async run(context): Promise<BenchResult[]> {
    const database = await startGatekeeperDatabase(context);
    const records = Array.from({ length: EVENTS }, (_, i) => ({
      ...decisionRecord(i),
      tenant_id: `tenant-${i % TENANTS}`,
    }));
    const rates = { without: [] as number[], with: [] as number[] };
    const delays: number[] = [];
    const { privateKey } = generateKeyPairSync('ed25519');
    const signer = new NoteSigner('bench', Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'));
    for (let round = 0; round <= ROUNDS; round++) {
      for (const way of ['without', 'with'] as const) {
        context.stop.throwIfAborted();
        await database.reset();
        const rate = await (way === 'with'
          ? withProofs(context, database, records, { delays, signer })
          : throughLogger(context, database, records));
        // The first round teaches the compiler, and does not count.
        if (round === 0) delays.length = 0;
        else rates[way].push(rate);
        context.progress(
          `${round === 0 ? 'warming up' : `round ${round} of ${ROUNDS}`}: ${way} proofs ${Math.round(rate)} events/s`,
        );
      }
    }
    const verified = await verification(database, signer);
    context.progress(`verified ${Math.round(verified)} events/s`);
    const searches = await searchTimes(context, database);
    await database.close();
    return [
      { name: 'with_proofs_vs_without', value: median(rates.with) / median(rates.without), unit: 'x', goal: 0.6 },
      { name: 'checkpoint_delay_p99_s', value: quantile(delays, 0.99), unit: 's', goal: 5, better: 'less' },
      { name: 'checkpoint_delay_p50_s', value: median(delays), unit: 's', better: 'less' },
      { name: 'verify_per_s', value: verified, unit: '1/s' },
      { name: 'events_per_s.without_proofs', value: median(rates.without), unit: '1/s' },
      { name: 'events_per_s.with_proofs', value: median(rates.with), unit: '1/s' },
      ...searches,
    ];
  },
};

/** The same beside a sequencer, as in the gatekeeper; each transaction's oldest event tells how far the checkpoints are behind. */
async function withProofs(
  context: BenchContext,
  database: GatekeeperDatabase,
  records: readonly AuditRecord[],
  { delays, signer }: { delays: number[]; signer: NoteSigner },
): Promise<number> {
  let taken = 0;
  const sequencer = new Sequencer({
    url: database.urlOf('notary'),
    signer,
    intervalMs: INTERVAL_MS,
    batchSize: BATCH_SIZE,
    log: { info: () => undefined, warn: (_details, message) => context.progress(message) },
    onStep: ({ events, delay }) => {
      taken += events;
      delays.push(delay);
    },
  });
  sequencer.start();
  try {
    const rate = await throughLogger(context, database, records);
    const deadline = Date.now() + CAUGHT_UP_MS;
    while (taken < records.length && Date.now() < deadline) await turn();
    if (taken < records.length) throw new Error(`the log has ${taken} of ${records.length} events`);
    return rate;
  } finally {
    await sequencer.stop();
  }
}

/** Of what the last round left. @returns events a second */
async function verification(database: GatekeeperDatabase, signer: NoteSigner): Promise<number> {
  const trail = await DatabaseTrail.open({ url: database.urlOf('notary') });
  try {
    return await timed(EVENTS, async () => {
      const { differences, problems } = await verifyTrail(trail, { log: [signer.verifier] });
      if (differences.length + problems.length > 0)
        throw new Error(JSON.stringify([differences, problems]).slice(0, 1000));
    });
  } finally {
    await trail.close();
  }
}
