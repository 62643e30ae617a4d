import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { type ConfigError } from './config-error.js';
import { env } from './env.js';
import { loadServiceConfig } from './service-config.js';

const MINIMAL = {
  ROUTER_DATABASE_URL: 'postgres://u:p@localhost/db',
  SERVICE_KEY: 'k'.repeat(32),
};
const load = (environment: Record<string, string>) =>
  loadServiceConfig('router', { LIMIT: env.integer(1, 10, 5) }, environment);
const problemsOf = (environment: Record<string, string>): readonly string[] => {
  try {
    load(environment);
  } catch (error) {
    return (error as ConfigError).problems;
  }
  throw new Error('expected a ConfigError');
};

describe('loadServiceConfig', () => {
  it('has defaults for all but the database and the service key', () => {
    const { service, own } = load(MINIMAL);
    expect(service).toMatchObject({
      name: 'router',
      http: { host: '127.0.0.1', port: 8004 },
      database: { url: MINIMAL.ROUTER_DATABASE_URL, migrationUrl: MINIMAL.ROUTER_DATABASE_URL },
      peers: { gatekeeper: 'http://127.0.0.1:8001', lobby: 'http://127.0.0.1:5050' },
      audit: {
        async: true,
        maxEvents: 10_000,
        maxBytes: 67_108_864,
        batchSize: 5000,
        flushIntervalMs: 50,
        spoolDir: '.gravitas/spool/router',
        maxSpoolBytes: 1_073_741_824,
        durability: 'process',
        failMode: 'closed',
        failModes: [],
        fullWaitMs: 0,
      },
    });
    expect(own.LIMIT).toBe(5);
  });

  it('reads what is named after the service, and takes an empty variable for an absent one', () => {
    const { service } = load({
      ...MINIMAL,
      ROUTER_PORT: '9000',
      GUARDIAN_PORT: '9001',
      GUARDIAN_URL: '',
      LOG_LEVEL: '',
    });
    expect(service.http.port).toBe(9000);
    expect(service.peers.router).toBe('http://127.0.0.1:9000');
    expect(service.peers.guardian).toBe('http://127.0.0.1:8003');
  });

  it('knows of a database to move to only where one is named', () => {
    expect(load(MINIMAL).service.database).toMatchObject({ split: undefined, migrationsTable: 'migrations' });
    const split = { ...MINIMAL, ROUTER_SPLIT_DATABASE_URL: 'postgres://u:p@localhost/own' };
    expect(load(split).service.database.split).toEqual({
      url: 'postgres://u:p@localhost/own',
      migrationUrl: 'postgres://u:p@localhost/own',
    });
    expect(problemsOf({ ...MINIMAL, ROUTER_MIGRATIONS_TABLE: 'a; drop' })).toEqual([
      expect.stringContaining('ROUTER_MIGRATIONS_TABLE'),
    ]);
  });

  it('reads how safe the audit trail is, and what is done when it takes nothing', () => {
    const { audit } = load({
      ...MINIMAL,
      AUDIT_DURABILITY: 'disk',
      AUDIT_SPOOL_MAXBYTES: '1048576',
      AUDIT_FAIL_MODE: 'open',
      AUDIT_FAIL_MODES: 'history.*=closed, inference=open',
      AUDIT_FULL_WAIT_MS: '250',
    }).service;
    expect(audit).toMatchObject({
      durability: 'disk',
      maxSpoolBytes: 1_048_576,
      failMode: 'open',
      failModes: [
        { pattern: 'history.*', mode: 'closed' },
        { pattern: 'inference', mode: 'open' },
      ],
      fullWaitMs: 250,
    });
    expect(() => Object.assign(audit.failModes[0]!, { mode: 'open' })).toThrow(TypeError);
  });

  it.each([
    ['AUDIT_DURABILITY', 'always', 'expected one of process, disk, memory'],
    ['AUDIT_SPOOL_MAXBYTES', '1048575', 'expected a whole number from 1048576 to 1099511627776'],
    ['AUDIT_FULL_WAIT_MS', '60001', 'expected a whole number from 0 to 60000'],
    ['AUDIT_FAIL_MODES', 'inference=ajar', expect.stringContaining('entry 1: expected ACTION=closed or ACTION=open')],
  ])('refuses %s=%s', (variable, value, problem) => {
    const [only, ...others] = problemsOf({ ...MINIMAL, [variable]: value });
    expect([only!.slice(variable.length + 2), others]).toEqual([problem, []]);
  });

  it('says the version of the package', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(load(MINIMAL).service.version).toBe(version);
  });

  it('names all bad settings in one error, without their values', () => {
    const problems = problemsOf({
      ROUTER_PORT: '70000',
      ROUTER_DATABASE_URL: 'mysql://u:hunter2@localhost/db',
      SERVICE_KEY: 'hunter2',
      AUDIT_ASYNC: 'perhaps',
      LIMIT: '11',
    });
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'ROUTER_PORT',
      'ROUTER_DATABASE_URL',
      'SERVICE_KEY',
      'AUDIT_ASYNC',
      'LIMIT',
    ]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('says what is missing', () => {
    expect(problemsOf({})).toEqual([
      'ROUTER_DATABASE_URL: is required',
      expect.stringContaining('SERVICE_KEY: is required'),
    ]);
  });

  it('runs without service authentication on loopback only', () => {
    const environment = { ROUTER_DATABASE_URL: MINIMAL.ROUTER_DATABASE_URL, SERVICE_AUTH_DISABLED: 'true' };
    expect(load(environment).service.auth.disabled).toBe(true);
    expect(problemsOf({ ...environment, ROUTER_HOST: '0.0.0.0' })[0]).toContain('SERVICE_AUTH_DISABLED');
  });

  it('hands out what nobody can change', () => {
    const { service } = load(MINIMAL);
    expect(() => Object.assign(service, { name: 'lobby' })).toThrow(TypeError);
    expect(() => Object.assign(service.http, { port: 1 })).toThrow(TypeError);
  });
});
