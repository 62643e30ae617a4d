import { Command } from 'commander';
import pg from 'pg';
import { timestamp } from '#contracts';
import { type DatabaseRole } from '#database';
import { errorMessage } from '#errors';
import { compilePolicy, PolicySource, type Policy } from '../apps/gatekeeper/src/policy/core/index.js';
import { decisionPages, type Range } from './policy-replay/decision-pages.js';
import { KeptPolicies } from './policy-replay/kept-policies.js';
import { replay, type Replayed } from './policy-replay/replay.js';
import { CANNOT_TELL, exitCodeOf, reportLines } from './policy-replay/report.js';
import { type Env } from './stack/apps.js';
import { ensureHome, locateHome } from './stack/home.js';
import { urlFor } from './stack/role-url.js';
import { runScript } from './stack/run-script.js';

/** `npm run policy:replay`: what was decided is decided again, under the policy of then or under another. */
interface Options {
  from: string;
  to: string;
  policy?: string;
  tenant?: string;
  database?: string;
  json: boolean;
}

/** Who reads decisions of all tenants, and the policies, on the local stack. */
const ROLE: DatabaseRole = 'notary';
const CONNECT_TIMEOUT_MS = 10_000;
const QUERY_TIMEOUT_MS = 120_000;
const PROGRESS_MS = 2000;

await runScript(async () => {
  const options = new Command('policy:replay')
    .description(
      'Decides the decisions of a time again: under the policy that decided, which must give the same, or under another,\n' +
        'to see what that would change.',
    )
    .requiredOption('--from <time>', 'the first moment, such as 2026-11-01 or 2026-11-01T08:00:00Z')
    .requiredOption('--to <time>', 'the moment after the last')
    .option('--policy <file>', 'a policy file to decide by; without it the recorded policies')
    .option('--tenant <tenant>', "this tenant's only")
    .option('--database <url>', "the gatekeeper's database, if not the local stack's")
    .option('--json', 'prints JSON', false)
    .addHelpText('after', '\nExit code 0: all the same; 1: there are differences, which are named; 2: cannot tell.')
    .exitOverride()
    .parse()
    .opts<Options>();
  const range = rangeOf(options);
  const policy = options.policy === undefined ? undefined : await readPolicyFile(options.policy);
  const result = await replayFrom(options.database ?? (await databaseOfStack(process.env)), range, policy);
  const under = policy ? `${options.policy} (${policy.version})` : 'the recorded policies';
  const text = options.json
    ? JSON.stringify({ ...range, policy_version: policy?.version ?? null, ...result }, undefined, 2)
    : reportLines(result, under).join('\n');
  process.stdout.write(`${text}\n`);
  return exitCodeOf(result);
}, CANNOT_TELL);

async function replayFrom(url: string, range: Range, policy: Policy | undefined): Promise<Replayed> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'gravitas-policy-replay',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  });
  // The query under way reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // One moment of the trail, and of the policies; and pages with few decisions among much else take their time.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await client.query(`SET LOCAL statement_timeout = ${QUERY_TIMEOUT_MS}`);
    const kept = new KeptPolicies(client);
    return await replay({
      pages: decisionPages(client, range),
      policyOf: policy ? () => Promise.resolve(policy) : (version) => kept.of(version),
      recorded: policy === undefined,
      progress: progressTo(process.stderr),
    });
  } catch (error) {
    throw new Error(`Cannot read the decisions: ${errorMessage(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

function progressTo(stream: NodeJS.WritableStream): (decisions: number) => void {
  let last = Date.now();
  return (decisions) => {
    if (Date.now() - last < PROGRESS_MS) return;
    last = Date.now();
    stream.write(`${decisions} decisions ...\n`);
  };
}

function rangeOf({ from, to, tenant }: Options): Range {
  const range = { from: momentOf('--from', from), to: momentOf('--to', to), tenant };
  if (Date.parse(range.from) >= Date.parse(range.to)) throw new Error('--from must be before --to.');
  return range;
}

/** A day is its first moment in UTC. */
function momentOf(option: string, text: string): string {
  const moment = timestamp.safeParse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
  if (moment.success) return moment.data;
  throw new Error(`${option} must be a time such as 2026-11-01 or 2026-11-01T08:00:00Z; it is "${text}".`);
}

async function readPolicyFile(path: string): Promise<Policy> {
  try {
    const reading = await new PolicySource(path).read();
    if ('problem' in reading) throw reading.problem;
    return await compilePolicy(reading.bytes);
  } catch (error) {
    throw new Error(`${path}: ${errorMessage(error, 0)}`, { cause: error });
  }
}

async function databaseOfStack(env: Env): Promise<string> {
  const home = await locateHome(process.cwd(), env);
  await ensureHome(home);
  return urlFor('gatekeeper', ROLE, home, env);
}
