import { connectionUrl, rolesOf, type DatabaseRole } from '#database';
import { type App, type Env, variable } from './apps.js';
import { databaseUrls } from './databases.js';
import { type Home } from './home.js';
import { databaseSpec, lastServerUrl } from './postgres.js';
import { URL_SETTINGS } from './service-env.js';

const SUPERUSER = 'superuser';

/** The roles there are on the local stack for a service's database. */
export function roleChoices(app: App): string[] {
  return [...rolesOf(app), SUPERUSER];
}

/**
 * The URL of one service's database as one of its roles, from the environment where that says, otherwise of the local
 * stack's server as it last ran.
 * @throws Error naming the roles there are, or saying that the stack never ran.
 */
export async function urlFor(app: App, role: string, home: Home, env: Env): Promise<string> {
  if (!roleChoices(app).includes(role))
    throw new Error(`There is no role "${role}" for ${app}. There are: ${roleChoices(app).join(', ')}.`);
  const serverUrl = env['GRAVITAS_POSTGRES_URL'] || (await lastServerUrl(home));
  if (role === SUPERUSER) return superuserUrl(app, serverUrl, home, env);
  if (serverUrl === undefined && !env[variable(app, 'DATABASE_URL')]) throw neverRan();
  const urls = await databaseUrls(app, serverUrl, home, env);
  const url = urls[role as DatabaseRole];
  if (url !== undefined) return url;
  const setting = variable(app, URL_SETTINGS[role as DatabaseRole]);
  throw new Error(`${app} has a database of its own; set ${setting} to reach it as its ${role}.`);
}

async function superuserUrl(app: App, serverUrl: string | undefined, home: Home, env: Env): Promise<string> {
  if (env[variable(app, 'DATABASE_URL')]) {
    throw new Error(`${app} has a database of its own; the local stack knows no superuser of it.`);
  }
  if (serverUrl === undefined) throw neverRan();
  const { database } = await databaseSpec(home, app, env);
  return connectionUrl(serverUrl, { database });
}

function neverRan(): Error {
  return new Error('The local stack has not run yet, so there is no database to connect to. Start it with: npm start');
}
