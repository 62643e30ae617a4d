import { type DatabaseSpec, provision, roleUrl } from '#database';
import { type App, APPS, type Env, variable } from './apps.js';
import { type Home } from './home.js';
import { databaseSpec } from './postgres.js';
import { type DatabaseUrls } from './service-env.js';

/** Services whose database is on the stack's server; the others were given a URL of their own and are left alone. */
export function provisionedApps(env: Env): App[] {
  return APPS.filter((app) => !env[variable(app, 'DATABASE_URL')]);
}

/** Makes roles and databases on a server for those services that have none of their own; says how many were made. */
export async function provisionApps(serverUrl: string, home: Home, env: Env): Promise<string[]> {
  const specs = await Promise.all(provisionedApps(env).map((app) => databaseSpec(home, app, env)));
  const made: string[] = [];
  if (specs.length > 0) await provision(serverUrl, specs, (line) => made.push(line));
  return made;
}

/**
 * A service's URLs: its own where the environment gives them, otherwise those of the stack's server.
 * @throws Error when it has no database of its own and there is no server of the stack.
 */
export async function databaseUrls(
  app: App,
  serverUrl: string | undefined,
  home: Home,
  env: Env,
): Promise<DatabaseUrls> {
  const own = env[variable(app, 'DATABASE_URL')];
  const migration = env[variable(app, 'MIGRATION_URL')];
  const further = { reader: env[variable(app, 'READER_URL')], notary: env[variable(app, 'NOTARY_URL')] };
  if (own) return { runtime: own, owner: migration || undefined, ...further };
  if (serverUrl === undefined) throw new Error(`${app} has no database: set ${variable(app, 'DATABASE_URL')}.`);
  const spec: DatabaseSpec = await databaseSpec(home, app, env);
  const urls = { runtime: roleUrl(serverUrl, spec, 'runtime'), owner: migration || roleUrl(serverUrl, spec, 'owner') };
  if (!spec.further) return urls;
  return {
    ...urls,
    reader: further.reader || roleUrl(serverUrl, spec, 'reader'),
    notary: further.notary || roleUrl(serverUrl, spec, 'notary'),
  };
}
