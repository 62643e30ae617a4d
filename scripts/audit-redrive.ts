import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { createAuditSink } from '#clients';
import { ServiceTokens } from '#http';
import { CANNOT_TELL, listAll, redriveAll, type LetterBox } from './redrive/redrive-spools.js';
import { type App, APPS, type Env } from './stack/apps.js';
import { ensureHome, locateHome } from './stack/home.js';
import { runScript } from './stack/run-script.js';
import { stackSecrets } from './stack/secrets.js';
import { auditSpool, serviceUrl } from './stack/service-env.js';

/** `npm run audit:redrive`: what the trail once refused is sent to it again, while the services go on. */
interface Options {
  service?: App;
  dir?: string;
  url?: string;
  dryRun: boolean;
}

await runScript(async () => {
  const options = new Command('audit:redrive')
    .description(
      'Sends dead letters (audit events that the trail refused) to the gatekeeper once more. What is still refused stays,\n' +
        'with the new reason. It can be interrupted, and run while the services run.',
    )
    .addOption(new Option('--service <app>', 'of this service only').choices(APPS))
    .option('--dir <directory>', 'one spool directory, instead of those of the local stack')
    .option('--url <url>', "the gatekeeper's, if not the local stack's")
    .option('--dry-run', 'lists the dead letters, and changes nothing', false)
    .addHelpText('after', '\nExit code 0: none are left; 1: some stay; 2: cannot tell, nothing is lost.')
    .exitOverride()
    .parse()
    .opts<Options>();
  const { env } = process;
  const boxes = await letterBoxes(options, env);
  const say = (line: string): boolean => process.stdout.write(`${line}\n`);
  if (options.dryRun) return listAll(boxes, say);

  const serviceKey = env['SERVICE_KEY'] || (await keyOfStack(env));
  const peers = { gatekeeper: options.url ?? serviceUrl('gatekeeper', env) };
  const addressed = boxes.map((box): LetterBox => {
    return { ...box, sink: createAuditSink({ peers }, new ServiceTokens(box.app, serviceKey)) };
  });
  try {
    return await redriveAll(addressed, say);
  } finally {
    await Promise.all(addressed.map(({ sink }) => sink.close()));
  }
}, CANNOT_TELL);

async function letterBoxes(
  { service, dir }: Options,
  env: Env,
): Promise<{ app: App; name: string; directory: string }[]> {
  if (dir !== undefined) {
    const directory = resolve(dir);
    const found = await stat(directory).catch(() => undefined);
    if (!found?.isDirectory()) throw new Error(`There is no directory ${directory}.`);
    return [{ app: service ?? 'gatekeeper', name: service ?? dir, directory }];
  }
  const home = await locateHome(process.cwd(), env);
  const apps = service === undefined ? APPS : [service];
  return apps.map((app) => ({ app, name: app, directory: auditSpool(app, home, env) }));
}

async function keyOfStack(env: Env): Promise<string> {
  const home = await locateHome(process.cwd(), env);
  await ensureHome(home);
  return (await stackSecrets(home, env)).serviceKey;
}
