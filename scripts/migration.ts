import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { type App, APPS, isApp, variable } from './stack/apps.js';
import { databaseUrls, provisionApps } from './stack/databases.js';
import { ensureHome, type Home, locateHome } from './stack/home.js';
import { StackPostgres } from './stack/postgres.js';
import { runScript } from './stack/run-script.js';
import { type DatabaseUrls, urlSettings } from './stack/service-env.js';
import { typeormCli } from './stack/typeorm-cli.js';

/**
 * `npm run <app>:migration:run | revert | show | generate -- Name`: TypeORM's own command line on one service's database,
 * as its owner. Without a URL in the environment that is the local stack's, which is started for as long as it takes.
 */
const ACTIONS = ['run', 'revert', 'show', 'generate'] as const;
type Action = (typeof ACTIONS)[number];

await runScript(async () => {
  const command = new Command('migration')
    .description("TypeORM's migrations of one service.")
    .argument('<app>', APPS.join(', '))
    .argument('<action>', ACTIONS.join(', '))
    .argument('[name]', 'of a migration to generate: AddSomething')
    .parse();
  const [app = '', action = '', name] = command.args;
  if (!isApp(app)) throw new Error(`There is no service "${app}". There are: ${APPS.join(', ')}.`);
  if (!isAction(action)) throw new Error(`There is no "${action}". There are: ${ACTIONS.join(', ')}.`);
  if (action === 'generate' && !/^[A-Z]\w*$/.test(name ?? '')) {
    throw new Error(`Give the migration a name that can be a class: npm run ${app}:migration:generate -- AddSomething`);
  }
  return withDatabase(app, (urls) => typeorm(app, action, name, urls));
});

/** Runs `work` with the URLs of the app's database; starts the local stack's server, and stops it again, if need be. */
async function withDatabase(app: App, work: (urls: DatabaseUrls) => Promise<number>): Promise<number> {
  const { env } = process;
  const [own, migration] = [env[variable(app, 'DATABASE_URL')], env[variable(app, 'MIGRATION_URL')]];
  if (own || migration) return work({ runtime: own || migration || '', owner: migration || undefined });
  const home = await locateHome(process.cwd(), env);
  await ensureHome(home);
  const given = env['GRAVITAS_POSTGRES_URL'];
  if (given) return work(await prepared(app, given, home));
  const postgres = await StackPostgres.of(home);
  const { url, adopted } = await postgres.start();
  try {
    return await work(await prepared(app, url, home));
  } finally {
    // One that was there before, or that `npm start` has taken over meanwhile, is not ours to stop.
    if (!adopted && !existsSync(join(home.run, 'supervisor.json'))) await postgres.stop();
  }
}

async function prepared(app: App, serverUrl: string, home: Home): Promise<DatabaseUrls> {
  await provisionApps(serverUrl, home, process.env);
  return databaseUrls(app, serverUrl, home, process.env);
}

async function typeorm(app: App, action: Action, name: string | undefined, urls: DatabaseUrls): Promise<number> {
  const folder = join('apps', app, 'migrations');
  const args = action === 'generate' ? [join(folder, name ?? ''), '--esm', '-p'] : [];
  // Afterwards, too, we stay to stop what we started.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const code = await typeormCli({ app, action, args, settings: urlSettings(app, urls) });
  if (code === 0 && action === 'generate')
    process.stderr.write(`Add the new class to ${join(folder, 'index.ts')}: the service runs what is listed there.\n`);
  return code;
}

function isAction(name: string): name is Action {
  return (ACTIONS as readonly string[]).includes(name);
}
