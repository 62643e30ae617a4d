import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { type Environment, type ServiceConfig } from '#config';
import { SERVICES } from '#contracts';
import { rolesOf, roleUrl } from '#database';
import { databaseSpec } from '../../scripts/stack/postgres.js';
import { composeVariables, containerEnvironment, distinctSecrets, dockerfile, readCompose } from './compose-file.js';

const secrets = distinctSecrets();
const compose = readCompose(secrets);
const SERVER = 'postgres://postgres:5432/postgres';

/** What the app's own code makes of its container's environment; throws when a setting is missing or wrong. */
async function configOf(app: string): Promise<ServiceConfig> {
  const { loadConfig } = (await import(`../../apps/${app}/src/config.js`)) as {
    loadConfig: (environment: Environment) => { service: ServiceConfig };
  };
  return loadConfig(containerEnvironment(compose, app)).service;
}

/** The services whose environment holds this text. */
const whoSees = (text: string) =>
  Object.entries(compose.services)
    .filter(([, { environment = {} }]) => Object.values(environment).some((value) => value.includes(text)))
    .map(([name]) => name)
    .sort();

describe('compose.yaml', () => {
  it('holds PostgreSQL, setup and every service of the control plane', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['postgres', 'setup', ...SERVICES].sort());
  });

  it('asks for exactly the secrets that .env.example lists', () => {
    const lines = readFileSync('docker/.env.example', 'utf8').split('\n');
    const names = (pattern: RegExp) => new Set(lines.flatMap((line) => pattern.exec(line)?.[1] ?? []));
    expect(names(/^([A-Z_]+)=$/)).toEqual(composeVariables().required);
    const optional = composeVariables().optional;
    optional.delete('GRAVITAS_TAG');
    expect(names(/^# ([A-Z_]+)=/)).toEqual(optional);
  });

  it('gives setup the passwords of five databases and twelve roles', async () => {
    const environment = containerEnvironment(compose, 'setup');
    const specs = await Promise.all(SERVICES.map((app) => databaseSpec({} as never, app, environment)));
    const roles = specs.flatMap(({ owner, runtime, further }) => [owner, runtime, ...Object.values(further ?? {})]);
    expect(new Set(specs.map(({ database }) => database)).size).toBe(5);
    expect(new Set(roles.map(({ name }) => name)).size).toBe(12);
    expect(new Set(roles.map(({ password }) => password)).size).toBe(12);
  });

  it('publishes the lobby alone, and on loopback', () => {
    const published = Object.entries(compose.services).flatMap(([name, { ports = [] }]) => ports.map((p) => [name, p]));
    expect(published).toEqual([['lobby', '127.0.0.1:5050:5050']]);
  });

  it('keeps the superuser to PostgreSQL and setup, and the key of the tokens to the gatekeeper', () => {
    expect(whoSees(secrets['POSTGRES_PASSWORD'] ?? '')).toEqual(['postgres', 'setup']);
    expect(whoSees(secrets['JWT_SECRET_KEY'] ?? '')).toEqual(['gatekeeper']);
  });

  it('cuts PostgreSQL off from the outside', () => {
    expect(compose.services['postgres']?.networks).toEqual(['inside']);
    expect(compose.networks['inside']?.internal).toBe(true);
  });

  it('takes capabilities, privileges and a writable root from every container', () => {
    for (const service of Object.values(compose.services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    }
  });
});

describe.each(SERVICES)('compose.yaml, %s', (app) => {
  const service = compose.services[app] ?? {};

  it('is given every setting that it requires, and binds all interfaces', async () => {
    expect((await configOf(app)).http.host).toBe('0.0.0.0');
  });

  it('is reached by the others on the port it listens on', async () => {
    const { http, peers } = await configOf(app);
    expect(peers[app]).toBe(`http://${app}:${http.port}`);
    for (const other of SERVICES) expect((await configOf(other)).peers[app]).toBe(peers[app]);
  });

  it('runs as the runtime role and migrates as the owner that setup made', async () => {
    const spec = await databaseSpec({} as never, app, containerEnvironment(compose, 'setup'));
    const { database } = await configOf(app);
    expect(database.url).toBe(roleUrl(SERVER, spec, 'runtime'));
    expect(database.migrationUrl).toBe(roleUrl(SERVER, spec, 'owner'));
  });

  it('shares its passwords with setup only', () => {
    for (const role of rolesOf(app)) {
      const password = secrets[`${app.toUpperCase()}_${role.toUpperCase()}_PASSWORD`] ?? '';
      expect(whoSees(password)).toEqual([app, 'setup'].sort());
    }
  });

  it('is built from the Dockerfile as this app', () => {
    expect(service.build).toMatchObject({ dockerfile: 'docker/Dockerfile', args: { APP: app } });
  });

  it('keeps spool and keys in a volume of its own', async () => {
    const { audit } = await configOf(app);
    expect(audit.spoolDir).toMatch(/^\/var\/lib\/gravitas\//);
    expect(service.volumes).toEqual([`${app}:/var/lib/gravitas`]);
    expect(compose.volumes).toHaveProperty(app);
  });

  it('has more time to stop than its shutdown may take', async () => {
    const { shutdown } = await configOf(app);
    expect(Number(/^(\d+)s$/.exec(service.stop_grace_period ?? '')?.[1]) * 1000).toBeGreaterThan(
      shutdown.totalMs + 5000,
    );
  });

  it('waits for its database, boots without the others and stops before those it still needs', () => {
    const { postgres, setup, ...others } = service.depends_on ?? {};
    expect(postgres?.condition).toBe('service_healthy');
    expect(setup?.condition).toBe('service_completed_successfully');
    expect(Object.values(others).every(({ condition }) => condition === 'service_started')).toBe(true);
    const stoppedLater: readonly string[] = SERVICES.slice(SERVICES.indexOf(app) + 1);
    expect(Object.keys(others).filter((name) => !stoppedLater.includes(name))).toEqual([]);
    if (app !== 'gatekeeper') expect(others).toHaveProperty('gatekeeper');
  });
});

describe('Dockerfile', () => {
  it('starts from the Node that development is pinned to', () => {
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(/^ARG NODE_VERSION=(.+)$/m.exec(dockerfile())?.[1]).toBe(devDependencies['node']);
  });

  it('does not run as root', () => {
    expect(dockerfile()).toMatch(/^USER 1000:1000$/m);
  });
});
