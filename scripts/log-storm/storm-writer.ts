import { randomUUIDv7 } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresSink } from '#audit';
import { type AuditEvent } from '#contracts';
import { createPool } from '#database';
import { Random } from '../crash/random.js';

/**
 * One process of writers: each writes small batches of events of random tenants as the service does, again until they are taken, and says which
 * on stdout, `id tenant` a line. Arguments: the seed, the writers, the tenants. Ends when stdin does, once everything is written.
 */
const [seed = '0', writers = '16', tenants = '100'] = process.argv.slice(2);
const MAX_BATCH = 10;
const MAX_PAUSE_MS = 80;
const RETRY_MS = 50;

let ending = false;
process.stdin.resume().once('end', () => (ending = true));
const pool = createPool(process.env.STORM_RUNTIME_URL ?? '', 'storm-writer', Number(writers), () => undefined);
const sink = new PostgresSink(pool);
await Promise.all(Array.from({ length: Number(writers) }, (_, i) => write(new Random(Number(seed) * 1000 + i))));
await sink.close();

async function write(random: Random): Promise<void> {
  while (!ending) {
    const events = Array.from({ length: random.integer(1, MAX_BATCH) }, () => eventOf(random));
    for (let taken = false; !taken;) {
      taken = await sink.write(events).then(
        () => true,
        () => false,
      );
      if (!taken) await sleep(RETRY_MS);
    }
    const lines = events.map(({ id, tenant_id }) => `${id} ${tenant_id}\n`).join('');
    if (!process.stdout.write(lines)) await once(process.stdout, 'drain');
    await sleep(random.integer(0, MAX_PAUSE_MS));
  }
}

function eventOf(random: Random): AuditEvent {
  const number = random.integer(1, 1_000_000);
  return {
    id: randomUUIDv7(),
    tenant_id: `tenant-${random.integer(1, Number(tenants))}`,
    timestamp: new Date().toISOString(),
    service: 'router',
    ghost_id: random.chance(0.5) ? 'Scout' : null,
    shell_id: null,
    action: 'execute',
    resource: `shells/l1/${number}`,
    result: random.chance(0.9) ? 'ALLOWED' : 'DENIED',
    reason: 'storm',
    request_id: null,
    session_id: null,
    entities: [{ kind: 'user', id: String(number % 1000) }],
    metadata: { number, fraction: number / 7 },
    producer: null,
    sequence: null,
  };
}
