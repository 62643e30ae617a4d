import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SERVICES, type ServiceName } from '#contracts';
import { EmbeddedPostgres, findFreePort } from '#embedded-postgres';
import { waitFor } from '#testing';
import { makeReachableTempDir } from '../../scripts/stack/temp-dir.js';
import { containerEnvironment, distinctSecrets, readCompose } from './compose-file.js';
import { installProductionPackages } from './production-packages.js';

/**
 * The images without an engine: the files that docker/image/assemble.mjs gathers for each, on production packages only, started as
 * the Dockerfile starts them, in the environment that compose.yaml gives them. Only hosts and ports are this machine's.
 */
const run = promisify(execFile);
const secrets = distinctSecrets();
const compose = readCompose(secrets);
const running = new Map<ServiceName, ChildProcess>();
const ports = {} as Record<ServiceName, number>;

let root: string;
let modules: string;
let postgres: EmbeddedPostgres;
let postgresPort: number;

beforeAll(async () => {
  root = await makeReachableTempDir();
  modules = await installProductionPackages(root);
  const password = secrets['POSTGRES_PASSWORD'] ?? '';
  postgres = new EmbeddedPostgres({ dataDir: join(root, 'postgres'), password, durable: false });
  postgresPort = (await postgres.start()).port;
  for (const app of SERVICES) ports[app] = await findFreePort();
});

afterAll(async () => {
  for (const child of running.values()) child.kill('SIGKILL');
  await postgres?.stop('immediate');
  await rm(root, { recursive: true, force: true });
});

/** What the final stage of the Dockerfile does for this image. */
async function assemble(name: string): Promise<void> {
  await run(process.execPath, ['docker/image/assemble.mjs', name, join(root, name)]);
  await symlink(modules, join(root, name, 'node_modules'));
  await mkdir(join(root, `${name}-home`));
}

function environmentOf(name: string): Record<string, string> {
  const here = (value: string) =>
    SERVICES.reduce(
      (text, app) => text.replace(new RegExp(`//${app}:\\d+`), `//127.0.0.1:${ports[app]}`),
      value.replace('@postgres:5432', `@127.0.0.1:${postgresPort}`),
    );
  const given = Object.entries(containerEnvironment(compose, name)).map(([key, value]) => [key, here(value)]);
  const own = SERVICES.map((app) => [`${app.toUpperCase()}_PORT`, String(ports[app])]);
  return Object.fromEntries([...given, ...own, ['GRAVITAS_HOME', join(root, `${name}-home`)]]) as Record<
    string,
    string
  >;
}

const started = (name: string, script: string) => ({
  file: process.execPath,
  args: ['--enable-source-maps', script],
  options: { cwd: join(root, name), env: environmentOf(name), timeout: 30_000 },
});

async function exitCode(name: string, script: string): Promise<{ code: number; output: string }> {
  const { file, args, options } = started(name, script);
  return run(file, args, options).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      output: error.stdout + error.stderr,
    }),
  );
}

describe('the setup image', () => {
  beforeAll(() => assemble('setup'));

  it('makes databases and roles with production packages only, and again without harm', async () => {
    expect(await exitCode('setup', 'main.js')).toMatchObject({ code: 0 });
    expect(await exitCode('setup', 'main.js')).toMatchObject({ code: 0 });
  });
});

describe.each(SERVICES.toReversed())('the %s image', (app) => {
  beforeAll(() => assemble(app));

  it('boots on production packages and passes its own health check', async () => {
    expect((await exitCode(app, 'healthcheck.mjs')).code).toBe(1);
    const { file, args, options } = started(app, 'main.js');
    const child = spawn(file, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.set(app, child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    await waitFor(
      `${app} to listen`,
      () => {
        if (child.exitCode !== null) throw new Error(`${app} exited with ${child.exitCode}:\n${output}`);
        return output.includes(`${app} is listening`);
      },
      30_000,
    );
    const passed = await waitFor(
      'its health check',
      async () => {
        const check = await exitCode(app, 'healthcheck.mjs');
        return check.code === 0 && check;
      },
      20_000,
    );
    expect(passed.output).toBe('');
  });

  it('answers as healthy, with its database', async () => {
    const response = await waitFor('health', async () => {
      const answer = await fetch(`http://127.0.0.1:${ports[app]}/health`, { signal: AbortSignal.timeout(20_000) });
      return answer.status === 200 && answer;
    });
    expect(await response.json()).toMatchObject({ status: 'healthy', service: app, database: true });
  });

  it('holds no other app, no test helper and no development package', async () => {
    const others = SERVICES.filter((other) => other !== app).map((other) => `dist/apps/${other}`);
    const paths = [...others, 'dist/libs/testing', 'dist/libs/embedded-postgres', 'dist/scripts', 'node_modules/jest'];
    for (const path of paths) await expect(access(join(root, app, path))).rejects.toThrow('ENOENT');
  });
});

describe('all images together', () => {
  it('end with 0 after SIGTERM, the door first', async () => {
    for (const app of SERVICES) {
      const child = running.get(app);
      if (child === undefined || child.exitCode !== null) throw new Error(`${app} is not running`);
      child.kill('SIGTERM');
      const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(30_000) })) as [number | null];
      expect({ app, code }).toEqual({ app, code: 0 });
    }
  }, 160_000);
});

describe('an unknown app', () => {
  it('fails the build with a message that lists the apps there are', async () => {
    const build = run(process.execPath, ['docker/image/assemble.mjs', 'lobbby', join(root, 'lobbby')]);
    await expect(build).rejects.toMatchObject({
      stderr: expect.stringMatching(/no app "lobbby".*APP one of: .*gatekeeper/),
    });
  });
});
