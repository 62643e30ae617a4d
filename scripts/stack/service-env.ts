import { join } from 'node:path';
import { type App, APPS, type Env, portOf, variable } from './apps.js';
import { type Home } from './home.js';
import { type StackSecrets } from './secrets.js';

export interface DatabaseUrls {
  runtime: string;
  owner?: string | undefined;
  reader?: string | undefined;
  notary?: string | undefined;
}

/** The setting that names each, after the service's name. */
export const URL_SETTINGS = {
  runtime: 'DATABASE_URL',
  owner: 'MIGRATION_URL',
  reader: 'READER_URL',
  notary: 'NOTARY_URL',
};

/** What every process may see of our own environment: where it runs, how it logs, how it reaches out. */
const COMMON = [
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|TZ|LANG|LC_[A-Z]+|NODE_ENV|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/,
  /^(https?_proxy|no_proxy|all_proxy)$/i,
  /^LOG_/,
  /^AUDIT_/,
  /^SERVICE_AUTH_DISABLED$/,
];

/** What only one service may see. */
const OWN: Partial<Record<App, RegExp>> = {
  gatekeeper: /^ACCESS_POLICY_(PATH|WATCH)$/,
  router: /^(OLLAMA|DEEPINFRA|GEMINI|GOOGLE|ANTHROPIC|OPENAI)_/,
};

/**
 * The environment of one service: what it needs and no more. It never holds another service's database URL, nor the
 * superuser's; the key that signs agents' tokens goes to the gatekeeper alone.
 */
export function serviceEnv(
  app: App,
  given: { env: Env; home: Home; secrets: StackSecrets; urls: DatabaseUrls },
): Record<string, string> {
  const { env, home, secrets, urls } = given;
  return {
    ...passedOn(app, env),
    ...serviceUrls(env),
    [variable(app, 'PORT')]: String(portOf(app, env)),
    ...urlSettings(app, urls),
    ...(app === 'gatekeeper' && { JWT_SECRET_KEY: secrets.jwtSecretKey }),
    ...(app === 'guardian' && { GUARDIAN_SIGNING_KEY_PATH: signingKeyPath(home, env) }),
    SERVICE_KEY: secrets.serviceKey,
    AUDIT_SPOOL_DIR: auditSpool(app, home, env),
    GRAVITAS_HOME: home.path,
  };
}

/** `<APP>_DATABASE_URL` and the others, as far as there are such roles. */
export function urlSettings(app: App, urls: DatabaseUrls): Record<string, string> {
  const settings = (Object.keys(URL_SETTINGS) as (keyof DatabaseUrls)[]).flatMap((role) => {
    const url = urls[role];
    return url === undefined ? [] : [[variable(app, URL_SETTINGS[role]), url] as const];
  });
  return Object.fromEntries(settings);
}

/** How the services reach each other: on loopback, unless said otherwise. */
export function serviceUrls(env: Env): Record<string, string> {
  return Object.fromEntries(APPS.map((app) => [variable(app, 'URL'), serviceUrl(app, env)]));
}

export function serviceUrl(app: App, env: Env): string {
  return env[variable(app, 'URL')] || `http://127.0.0.1:${portOf(app, env)}`;
}

/** Where a service's audit events wait, and its dead letters. */
export function auditSpool(app: App, home: Home, env: Env): string {
  const chosen = env['AUDIT_SPOOL_DIR'];
  return chosen ? join(chosen, app) : home.spool(app);
}

function signingKeyPath(home: Home, env: Env): string {
  return env['GUARDIAN_SIGNING_KEY_PATH'] || join(home.keys, 'guardian-signing-key.pem');
}

function passedOn(app: App, env: Env): Record<string, string> {
  const own = [new RegExp(`^${app.toUpperCase()}_`), ...(OWN[app] ? [OWN[app]] : [])];
  const allowed = (name: string): boolean => [...COMMON, ...own].some((pattern) => pattern.test(name));
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(entries.filter(([name]) => allowed(name)));
}
