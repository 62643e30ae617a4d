import { describe, expect, it } from '@jest/globals';
import { APPS } from './apps.js';
import { type Home } from './home.js';
import { serviceEnv } from './service-env.js';

const home: Home = {
  path: '/home',
  secrets: '/home/secrets',
  keys: '/home/keys',
  run: '/home/run',
  logs: '/home/logs',
  spool: (app) => `/home/spool/${app}`,
};
const secrets = { jwtSecretKey: 'the-jwt-secret', serviceKey: 'the-service-key' };

/** Everything a careless parent could hand down. */
const env = {
  PATH: '/bin',
  HTTPS_PROXY: 'http://proxy',
  LOG_LEVEL: 'debug',
  AUDIT_BATCH_SIZE: '10',
  AUDIT_SPOOL_DIR: '/spool',
  JWT_SECRET_KEY: 'the-jwt-secret',
  GRAVITAS_POSTGRES_URL: 'postgresql://super:user@host/postgres',
  ACCESS_POLICY_PATH: '/policy.yaml',
  GEMINI_API_KEY: 'gemini-key',
  OLLAMA_URL: 'http://ollama',
  AWS_SECRET_ACCESS_KEY: 'cloud-key',
  GUARDIAN_DATABASE_URL: 'postgresql://guardian',
  LOBBY_PORT: '9999',
};

const envOf = (app: (typeof APPS)[number]): Record<string, string> =>
  serviceEnv(app, { env, home, secrets, urls: { runtime: `postgresql://${app}`, owner: `postgresql://${app}_owner` } });

describe('serviceEnv', () => {
  it.each(APPS)("gives %s its own database and nobody else's, nor the superuser", (app) => {
    const given = envOf(app);
    expect(given[`${app.toUpperCase()}_DATABASE_URL`]).toBe(`postgresql://${app}`);
    expect(given[`${app.toUpperCase()}_MIGRATION_URL`]).toBe(`postgresql://${app}_owner`);
    const urls = Object.values(given).filter((value) => value.startsWith('postgresql:'));
    expect(urls.sort()).toEqual([`postgresql://${app}`, `postgresql://${app}_owner`]);
  });

  it.each(APPS)('lets %s see the secrets that it needs, and no others', (app) => {
    const values = Object.values(envOf(app));
    expect(values.includes('the-jwt-secret')).toBe(app === 'gatekeeper');
    expect(values.includes('/policy.yaml')).toBe(app === 'gatekeeper');
    expect(values.includes('gemini-key')).toBe(app === 'router');
    expect(values.includes('http://ollama')).toBe(app === 'router');
    expect(values).not.toContain('cloud-key');
    expect(values).toContain('the-service-key');
  });

  it('says where each service is reached, and where its own spool and port are', () => {
    expect(envOf('router')).toMatchObject({
      LOBBY_URL: 'http://127.0.0.1:9999',
      GATEKEEPER_URL: 'http://127.0.0.1:8001',
      ROUTER_PORT: '8004',
      AUDIT_SPOOL_DIR: '/spool/router',
      AUDIT_BATCH_SIZE: '10',
      HTTPS_PROXY: 'http://proxy',
      LOG_LEVEL: 'debug',
      GRAVITAS_HOME: '/home',
    });
  });

  it('refuses a port that is none, by name', () => {
    const bad = { ...env, ROUTER_PORT: 'eighty' };
    expect(() => serviceEnv('router', { env: bad, home, secrets, urls: { runtime: '', owner: undefined } })).toThrow(
      /ROUTER_PORT/,
    );
  });
});
