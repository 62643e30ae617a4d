import { Command } from 'commander';
import pg from 'pg';
import { type DatabaseRole } from '#database';
import { errorMessage } from '#errors';
import { signSeal, tenantOrigin, toBase64, type NoteSigner } from '#tlog';
import {
  openMonth,
  signMonth,
  verifyTrail,
  type DatabaseTrail,
  type SealStatement,
  type StoredSeal,
  type TrailVerdict,
} from '../apps/gatekeeper/src/notary/core/index.js';
import { homeOf, openDatabaseTrail } from './audit-verify/database.js';
import { ProgressBar } from './audit-verify/progress.js';
import { reportLines } from './audit-verify/report.js';
import { logKeyPath, stackSigner } from './audit-verify/verifier-keys.js';
import { type Env } from './stack/apps.js';
import { urlFor } from './stack/role-url.js';
import { runScript } from './stack/run-script.js';

/** `npm run audit:seal`: closes a month, so that retention may drop its events. */
interface Options {
  month: string;
  database?: string;
  json: boolean;
}

const REFUSED = 2;
const ROLE: DatabaseRole = 'notary';
const MONTH = /^[12]\d{3}-(?:0[1-9]|1[0-2])$/;
const TIMEOUT_MS = 30_000;

await runScript(async () => {
  const options = new Command('audit:seal')
    .description(
      "Closes a month that is over: verifies the whole trail, and signs what each tenant's log has of the month. Then retention may drop\n" +
        'it. A month of which events came late is sealed again with the same command.',
    )
    .requiredOption('--month <YYYY-MM>', 'the month, of UTC')
    .option('--database <url>', "the gatekeeper's database, as the notary, if not the local stack's")
    .option('--json', 'prints JSON', false)
    .addHelpText(
      'after',
      "\nThe log's private key is read from GATEKEEPER_LOG_KEY_PATH, or is the local stack's.\nExit code 0: the month is sealed; 2: it is not, and why.",
    )
    .exitOverride()
    .parse()
    .opts<Options>();
  const { env } = process;
  const { month } = options;
  if (!MONTH.test(month)) throw new Error(`--month must be a month such as 2026-10; it is "${month}".`);
  if (new Date().toISOString().slice(0, 7) <= month)
    throw new Error(`${month} is not over yet (UTC). Seal it when the next month has begun.`);
  const url = options.database ?? (await urlFor('gatekeeper', ROLE, await homeOf(env), env));
  const signer = await signerOf(env);
  const trail = await openDatabaseTrail(url, undefined, env);
  let sealed: { seal: SealStatement; fresh: boolean };
  try {
    sealed = await sealMonth(trail, month, signer);
  } finally {
    await trail.close();
  }
  if (sealed.fresh) await store(url, signMonth(sealed.seal, signer));
  const text = options.json
    ? JSON.stringify({ sealed_now: sealed.fresh, ...sealed.seal }, undefined, 2)
    : lines(sealed.seal, sealed.fresh).join('\n');
  process.stdout.write(`${text}\n`);
  return 0;
}, REFUSED);

async function signerOf(env: Env): Promise<NoteSigner> {
  const home = await homeOf(env);
  const signer = await stackSigner(home, env);
  if (signer) return signer;
  throw new Error(
    `There is no ${logKeyPath(home, env)}. Set GATEKEEPER_LOG_KEY_PATH to the file with the log's private key.`,
  );
}

/** @throws Error saying why the month cannot be sealed, and what to do */
async function sealMonth(
  trail: DatabaseTrail,
  month: string,
  signer: NoteSigner,
): Promise<{ seal: SealStatement; fresh: boolean }> {
  const keys = [signer.verifier];
  if (trail.key !== null && trail.key !== String(signer.verifier))
    throw new Error(
      `The log is signed with the key ${trail.key}, and this one is ${signer.verifier.toString()}. Set GATEKEEPER_LOG_KEY_PATH, or GATEKEEPER_LOG_NAME, to those of the log.`,
    );
  const former = sealOf(trail, month);
  if (!trail.hasMonth(month)) {
    if (former) return { seal: openMonth(former, keys), fresh: false };
    throw new Error(`The trail has no month ${month}, so there is nothing to seal.`);
  }
  const waiting = await trail.unsequenced(month);
  if (waiting > 0)
    throw new Error(
      `${waiting} events of ${month} are not in the log yet. Wait a few seconds while a gatekeeper runs, and look at its /health (transparency_log, audit_months) if they stay.`,
    );
  const bar = new ProgressBar();
  const verdict = await verifyTrail(trail, { log: keys, month, onProgress: bar.show });
  bar.end();
  if (verdict.differences.length + verdict.problems.length > 0)
    throw new Error(`The trail does not verify, so nothing of it is sealed:\n${reportLines(verdict).join('\n')}`);
  const known = former && openMonth(former, keys);
  const seal = statementOf(verdict, month, signer);
  return known && sameEvents(known, seal) ? { seal: known, fresh: false } : { seal, fresh: true };
}

function sealOf(trail: DatabaseTrail, month: string): StoredSeal | undefined {
  return trail.seals().find((seal) => seal.month === month);
}

function statementOf(verdict: TrailVerdict, month: string, signer: NoteSigner): SealStatement {
  const tenants = verdict.tenants.flatMap(({ tenant, verdict: own, month: leaves }) => {
    if (!own?.intact || !leaves) return [];
    const { size, root } = own;
    const { events, first, last, digest } = leaves;
    const named = signer.named(tenantOrigin(signer.name, tenant));
    const seal = signSeal({ month, leaves: events, digest, size, root }, named);
    const words = { events, first_index: first, last_index: last, tree_size: size, root: toBase64(root), seal };
    return [[tenant, words] as const];
  });
  return { month, tenants: Object.fromEntries(tenants) };
}

/** Whether no event of the month came since. */
function sameEvents(known: SealStatement, now: SealStatement): boolean {
  const counts = ({ tenants }: SealStatement): string =>
    JSON.stringify(
      Object.entries(tenants)
        .map(([tenant, { events, last_index }]) => [tenant, events, last_index])
        .sort(),
    );
  return counts(known) === counts(now);
}

async function store(url: string, { month, statement, note }: StoredSeal): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'gravitas-audit-seal',
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(
      `INSERT INTO audit_seals (month, statement, note) VALUES ($1::date, $2, $3)
       ON CONFLICT (month) DO UPDATE SET statement = EXCLUDED.statement, note = EXCLUDED.note, sealed_at = now()`,
      [`${month}-01`, statement, note],
    );
  } catch (error) {
    throw new Error(`The seal could not be stored: ${errorMessage(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

function lines({ month, tenants }: SealStatement, fresh: boolean): string[] {
  return [
    ...Object.entries(tenants).map(
      ([tenant, { events, first_index: first, last_index: last, tree_size: size }]) =>
        `tenant ${tenant}: ${events} events, leaves ${first} to ${last} of ${size}`,
    ),
    fresh ? `${month} is sealed now. Retention may drop it.` : `${month} was sealed before, and nothing came since.`,
  ];
}
