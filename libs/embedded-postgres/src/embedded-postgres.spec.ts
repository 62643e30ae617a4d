import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile, chmod } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { waitFor } from '#testing';
import { EmbeddedPostgres } from './embedded-postgres.js';

const PASSWORD = 'it\'s a "secret" /@:%';

describe('EmbeddedPostgres', () => {
  let root: string;
  let dataDir: string;
  const open: EmbeddedPostgres[] = [];

  const make = (options: { port?: number } = {}): EmbeddedPostgres => {
    const postgres = new EmbeddedPostgres({ dataDir, password: PASSWORD, durable: false, ...options });
    open.push(postgres);
    return postgres;
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'gravitas-pg-'));
    await chmod(root, 0o711);
    dataDir = join(root, 'data');
  });

  afterEach(async () => {
    for (const postgres of open.splice(0)) await postgres.stop('immediate');
    await rm(root, { recursive: true, force: true });
  });

  it('starts, answers, keeps its data over a stop, and stops twice', async () => {
    const postgres = make();
    const first = await postgres.start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await postgres.stop();
    await postgres.stop();
    expect(await postgres.status()).toBeUndefined();
    const second = await postgres.start();
    expect(second.adopted).toBe(false);
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('takes over a server whose starter was lost', async () => {
    const lost = await make().start();
    const found = await make().start();
    expect(found).toEqual({ ...lost, adopted: true });
  });

  it('starts again after the postmaster was killed', async () => {
    const first = await make().start();
    await query(first.url, 'CREATE TABLE survivor()');
    process.kill(first.pid, 'SIGKILL');
    await waitFor('its end', async () => (await commandLine(first.pid)) === '');
    const second = await make().start();
    expect(second.adopted).toBe(false);
    expect(await query(second.url, 'SELECT * FROM survivor')).toEqual([]);
  });

  it('is killed with all its processes, also those that are busy, and keeps what was committed', async () => {
    const postgres = make();
    const { url } = await postgres.start();
    await query(url, 'CREATE TABLE committed AS SELECT 42 AS answer');
    const busy = new Client({ connectionString: url });
    const broken = new Promise<void>((resolve) => busy.on('error', () => resolve()));
    await busy.connect();
    const { pid } = (await busy.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!;
    const work = busy.query('INSERT INTO committed SELECT 1 FROM pg_sleep(60)').catch((error: Error) => error);
    await postgres.kill();
    expect(await commandLine(pid)).toBe('');
    expect(await postgres.status()).toBeUndefined();
    await postgres.kill();
    await broken;
    expect(await work).toMatchObject({ message: expect.any(String) });
    const again = await postgres.start();
    expect(again.adopted).toBe(false);
    expect(await query(again.url, 'SELECT * FROM committed')).toEqual([{ answer: 42 }]);
  });

  it('is not fooled by a pid file whose pid belongs to another program', async () => {
    const postgres = make();
    await postgres.start();
    await postgres.stop();
    const stale = [process.pid, dataDir, 1, 1, '', '127.0.0.1', '', 'ready', ''].join('\n');
    await writeFile(join(dataDir, 'postmaster.pid'), stale);
    const { adopted, url } = await postgres.start();
    expect(adopted).toBe(false);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('moves to the next free port when the wanted one is taken', async () => {
    const { server, port } = await occupy();
    try {
      const started = await make({ port }).start();
      expect(started.port).toBeGreaterThan(port);
      expect(await query(started.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('converges after a first start that was killed half way', async () => {
    const { pid } = spawnSync('true');
    const leftover = `${dataDir}.init-${pid}-0`;
    await mkdir(leftover);
    await writeFile(join(leftover, 'PG_VERSION'), '18\n');
    const { url } = await make().start();
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await readdir(root)).toEqual(['data']);
  });

  it('refuses a data directory of another major version', async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'PG_VERSION'), '13\n');
    await expect(make().start()).rejects.toMatchObject({ code: 'data_dir_other_version' });
  });

  it('refuses a directory that holds something else', async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'holiday.jpg'), '');
    await expect(make().start()).rejects.toMatchObject({ code: 'data_dir_foreign' });
  });
});

/** Empty when it is gone, or a zombie. */
function commandLine(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 20_000 });
  // The tests kill servers; a broken idle connection is no failure of theirs.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

function occupy(): Promise<{ server: Server; port: number }> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({ server, port: typeof address === 'object' && address ? address.port : 0 });
    });
  });
}
