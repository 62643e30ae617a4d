import { Command } from 'commander';
import { DEFAULT_TENANT } from '#contracts';
import { errorMessage } from '#errors';
import { type NoteVerifier } from '#tlog';
import {
  noteOf,
  verifyTrail,
  withLogName,
  type DatabaseTrail,
  type Trail,
  type TrailVerdict,
} from '../apps/gatekeeper/src/notary/core/index.js';
import { homeOf, openDatabaseTrail } from './audit-verify/database.js';
import { FolderTrail } from './audit-verify/export-folder.js';
import { ProgressBar } from './audit-verify/progress.js';
import { CANNOT_TELL, exitCodeOf, reportJson, reportLines } from './audit-verify/report.js';
import { SavedCheckpoints, savedPath } from './audit-verify/saved-checkpoints.js';
import { ServiceTrail } from './audit-verify/service-trail.js';
import { logKeyPath, readVerifierKeys, stackSigner } from './audit-verify/verifier-keys.js';
import { type Env } from './stack/apps.js';
import { runScript } from './stack/run-script.js';

/** `npm run audit:verify`: is the audit trail the one that its transparency log was made of? */
interface Options {
  url?: string;
  database?: string;
  dir?: string;
  key: string[];
  tenant: string[];
  save: string | boolean;
  json: boolean;
}

const collect = (value: string, before: string[]): string[] => [...before, value];

await runScript(async () => {
  const options = new Command('audit:verify')
    .description(
      'Makes each leaf of the transparency log anew from its event, and holds tiles, checkpoints and seals against them.\n' +
        "It needs the log's public key, and one of: the gatekeeper's database (the local stack's without anything said), a running\n" +
        'gatekeeper (--url, token in GRAVITAS_TOKEN), or a folder of npm run audit:export (--dir), which works offline.',
    )
    .option('--url <url>', "a gatekeeper's, or of a web server that serves an export below /v1/audit")
    .option('--database <url>', "the gatekeeper's database, as the notary or a superuser")
    .option('--dir <directory>', 'an exported folder')
    .option(
      '--key <key>',
      'verifier key (name+hash+base64), or a file with one; again for a key that was replaced',
      collect,
      [],
    )
    .option('--tenant <tenant>', 'of this tenant only; may be given again', collect, [])
    .option('--save <file>', 'where checkpoints are saved for the next time, if not in $GRAVITAS_HOME/verify')
    .option('--no-save', 'neither uses nor saves checkpoints')
    .option('--json', 'prints JSON', false)
    .addHelpText('after', '\nExit code 0: intact; 1: tampered with, tenant and index are named; 2: cannot tell.')
    .exitOverride()
    .parse()
    .opts<Options>();
  const { env } = process;
  if ([options.url, options.database, options.dir].filter((each) => each !== undefined).length > 1)
    throw new Error('Give one of --url, --database and --dir.');
  const given = await keysOf(options, env);
  const trail = await trailOf(options, env);
  const bar = new ProgressBar();
  try {
    const log = await withLogName(trail, given);
    const saved = await savedOf(options, log[0]!.name, env);
    const tenants = options.tenant.length > 0 || options.url !== undefined ? tenantsOf(options) : undefined;
    const known = (await saved?.read()) ?? new Map<string, string[]>();
    const verdict = await verifyTrail(trail, { log, tenants, saved: known, onProgress: bar.show });
    bar.end();
    const speed = { events: bar.events, seconds: Number(bar.seconds().toFixed(3)), events_per_s: bar.rate() };
    const text = options.json
      ? reportJson(verdict, { keys: log.map(String), ...speed })
      : [...reportLines(verdict), `${speed.events} events in ${speed.seconds} s: ${speed.events_per_s} events/s`].join(
          '\n',
        );
    process.stdout.write(`${text}\n`);
    await save(saved, verdict);
    return exitCodeOf(verdict);
  } finally {
    bar.end();
    if ('close' in trail) await (trail as DatabaseTrail).close();
  }
}, CANNOT_TELL);

function tenantsOf({ tenant }: Options): string[] {
  return tenant.length > 0 ? tenant : [DEFAULT_TENANT];
}

async function trailOf(options: Options, env: Env): Promise<Trail> {
  if (options.url !== undefined) return new ServiceTrail(options.url, tenantsOf(options), env['GRAVITAS_TOKEN']);
  if (options.dir !== undefined) return FolderTrail.open(options.dir);
  return openDatabaseTrail(options.database, options.tenant.length === 1 ? options.tenant[0] : undefined, env);
}

async function keysOf({ key }: Options, env: Env): Promise<NoteVerifier[]> {
  if (key.length > 0) return readVerifierKeys(key);
  const home = await homeOf(env);
  const signer = await stackSigner(home, env);
  if (!signer)
    throw new Error(
      `There is no key: give the log's with --key. (${logKeyPath(home, env)} would be the local stack's; its first start makes it.)`,
    );
  process.stderr.write(
    `The key is ${signer.verifier.toString()}\n` +
      'It comes from this machine: who can change the trail here may have changed it too. Whoever trusts nobody here gives the key\n' +
      'that they were told another way, with --key.\n',
  );
  return [signer.verifier];
}

async function savedOf({ save }: Options, log: string, env: Env): Promise<SavedCheckpoints | undefined> {
  if (save === false) return undefined;
  return new SavedCheckpoints(typeof save === 'string' ? save : savedPath(await homeOf(env), log), log);
}

/** Only of logs that are intact. That it cannot be saved changes nothing of what was found. */
async function save(saved: SavedCheckpoints | undefined, { tenants }: TrailVerdict): Promise<void> {
  const notes = tenants.flatMap(({ tenant, verdict }) => {
    const note = verdict?.intact ? noteOf(verdict) : undefined;
    return note === undefined ? [] : [[tenant, note] as const];
  });
  if (notes.length === 0) return;
  await saved?.add(new Map(notes)).catch((error: unknown) => {
    process.stderr.write(`The checkpoints could not be saved for the next time: ${errorMessage(error)}\n`);
  });
}
