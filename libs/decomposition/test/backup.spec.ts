import { chmod, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { connectionUrl } from '#database';
import { testPostgresUrl, waitFor } from '#testing';
import { backup } from '../src/core/backup/backup.js';
import { MANIFEST, type Manifest } from '../src/core/backup/manifest.js';
import { restore } from '../src/core/backup/restore.js';
import { verifyBackup } from '../src/core/backup/verify-backup.js';
import { describe as describeTables } from '../src/core/describe/describe.js';
import { compare, describeDifferences } from '../src/core/describe/differences.js';
import { administratorPool } from '../src/core/move.js';
import { type Progress } from '../src/core/progress.js';
import { once, richSource, type RichSource } from './support/rich-source.js';

const DATA = `
  INSERT INTO people ("Full Name", mail, mood, moods, share, place, blob)
    SELECT 'Person ' || n, n || '@x.example', 'angry', ARRAY['calm', 'it''s odd']::app.mood[], n % 100, ROW(n, 'place')::app.pair, sha256(n::text::bytea)
    FROM generate_series(1, 3000) n;
  INSERT INTO "Orders" (region, "No", person, during, amount) SELECT 'r' || n % 7, n, 8 + 2 * n, int4range(n, n + 1), n * 1.25 FROM generate_series(1, 2000) n;
  INSERT INTO users VALUES (1, 'one', 10);
  INSERT INTO app.events (at, kind, user_id, body)
    SELECT '2026-01-01'::timestamptz + n * interval '1 hour', (ARRAY['a', 'z'])[1 + n % 2], 1, jsonb_build_object('n', n) FROM generate_series(1, 1200) n;`;

describe('backup and restore', () => {
  let rich: RichSource;
  let root: string;
  let directory: string;
  let url: string;
  let manifest: Manifest;
  let number = 0;
  beforeAll(async () => {
    rich = await richSource();
    await rich.source.query(DATA);
    root = await mkdtemp(join(tmpdir(), 'backup-'));
    await chmod(root, 0o700);
  });
  beforeEach(async () => {
    directory = join(root, `b${++number}`);
    const name = `restored_${rich.tag}_${number}`;
    await once(testPostgresUrl(), `CREATE DATABASE ${name}`);
    url = connectionUrl(testPostgresUrl(), { database: name });
  });
  afterEach(() => once(testPostgresUrl(), `DROP DATABASE restored_${rich.tag}_${number} WITH (FORCE)`));
  afterAll(async () => {
    await rich.drop();
    await rm(root, { recursive: true });
  });

  const all = async (settings: Parameters<typeof backup>[3] = {}): Promise<Manifest> =>
    (manifest = await backup(rich.plan, ['shop', 'auth'], directory, settings));
  const names = ['people', 'Orders', 'app.events', 'users'];
  const dump = async (database: string): Promise<unknown[]> => {
    const pool = administratorPool(database, 1);
    const tables = ['people', '"Orders"', 'app.events', 'users'];
    try {
      return await Promise.all(
        tables.map(async (name) => (await pool.query<object>(`SELECT * FROM ${name} ORDER BY 1, 2`)).rows),
      );
    } finally {
      await pool.end();
    }
  };

  it('brings back every table as it was, and where sequences were', async () => {
    await all({ fileBytes: 20_000 });
    expect(manifest.tables.map(({ rows, format }) => [rows, format])).toEqual([
      [3000, 'text'],
      [1200, 'binary'],
      [2000, 'binary'],
      [1, 'binary'],
    ]);
    expect(manifest.tables[0]!.files.length).toBeGreaterThan(1);
    await restore(directory, url);
    expect(await dump(url)).toEqual(await dump(rich.plan.source));
    const { rows } = await once(url, `INSERT INTO people ("Full Name") VALUES ('next') RETURNING id::int`);
    expect(rows).toEqual([{ id: 6010 }]);
    const sides = [rich.plan.source, url].map((one) => administratorPool(one, 1));
    const [source, restored] = await Promise.all(
      sides.map((pool) => describeTables(pool, names, [`shop_${rich.tag}`])),
    );
    await Promise.all(sides.map((pool) => pool.end()));
    expect(describeDifferences(compare(source!, restored!), ['source', 'restored'])).toEqual([]);
  });

  it('is readable by nobody else', async () => {
    await all();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(directory)) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
  });

  it('is of one moment while writers write', async () => {
    await rich.source
      .query(`CREATE TABLE a (id int PRIMARY KEY, amount int); CREATE TABLE b (id int PRIMARY KEY, amount int);
      INSERT INTO a SELECT n, 100 FROM generate_series(1, 500) n; INSERT INTO b SELECT n, 100 FROM generate_series(1, 500) n`);
    const [shop] = rich.plan.services;
    const plan = { ...rich.plan, services: [{ ...shop!, tables: ['a', 'b'] }] };
    let writing = true;
    let transfers = 0;
    const writer = (async () => {
      while (writing) {
        const id = (transfers % 500) + 1;
        await rich.source.query(
          `WITH out AS (UPDATE a SET amount = amount - 7 WHERE id = ${id}) UPDATE b SET amount = amount + 7 WHERE id = ${id}`,
        );
        transfers++;
      }
    })();
    try {
      await waitFor('some transfers', () => transfers > 20);
      const { tables } = await backup(plan, ['shop'], directory);
      expect(tables.map(({ rows }) => rows)).toEqual([500, 500]);
    } finally {
      writing = false;
      await writer;
    }
    await restore(directory, url);
    const { rows } = await once(
      url,
      'SELECT (SELECT sum(amount) FROM a)::int AS a, (SELECT sum(amount) FROM b)::int AS b',
    );
    const { a, b } = rows[0] as { a: number; b: number };
    expect(a + b).toBe(100_000);
    expect(a).toBeLessThan(50_000);
  });

  it('finds a flipped byte, a missing file, and a cut one', async () => {
    await all();
    const path = (n: number): string => join(directory, manifest.tables[n]!.files[0]!.name);
    const file = await open(path(0), 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, 5000);
    await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 5000);
    await file.close();
    await rm(path(1));
    await writeFile(path(2), (await readFile(path(2))).subarray(0, 100));
    const failure = (await restore(directory, url).catch((error: unknown) => error)) as Error & { code: string };
    expect(failure.code).toBe('different');
    expect(failure.message.split('\n').slice(1)).toEqual([
      expect.stringMatching(/people-001\.copy\.gz has changed/),
      expect.stringMatching(/events-001\.copy\.gz is missing/),
      expect.stringMatching(/Orders-001\.copy\.gz has 100 bytes instead of \d+/),
    ]);
  });

  it('leaves nothing of a restore that does not prove', async () => {
    await all();
    const changed = {
      ...manifest,
      tables: manifest.tables.map((table, n) => ({
        ...table,
        ...(n === 3 && { rows: 2 }),
        ...(n === 1 && { hash: '1:2' }),
      })),
    };
    await writeFile(join(directory, MANIFEST), JSON.stringify(changed));
    await expect(restore(directory, url)).rejects.toMatchObject({
      code: 'different',
      message: expect.stringMatching(/app\.events has other values\n.*public\.users has 1 rows instead of 2/),
    });
    expect((await once(url, `SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).rowCount).toBe(0);
  });

  it('restores into an empty database only', async () => {
    await all();
    await once(url, 'CREATE TABLE users ()');
    await expect(restore(directory, url)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('"users"'),
    });
  });

  it('wants the roles that policies speak of', async () => {
    await all();
    await writeFile(
      join(directory, MANIFEST),
      JSON.stringify({ ...manifest, roles: [...manifest.roles, 'nobody_here'] }),
    );
    await expect(restore(directory, url)).rejects.toMatchObject({
      code: 'refused',
      next: expect.stringContaining('CREATE ROLE "nobody_here"'),
    });
    expect(manifest.roles).toEqual([`shop_${rich.tag}`]);
  });

  it('is no backup before it is whole, and begins anew', async () => {
    const killed: Progress = {
      note: () => undefined,
      at: (_step, done) => {
        if (done === 2) throw new Error('killed');
      },
    };
    await expect(all({ progress: killed })).rejects.toThrow('killed');
    await expect(verifyBackup(directory)).rejects.toMatchObject({ code: 'refused' });
    await expect(backup(rich.plan, ['auth'], directory)).rejects.toMatchObject({ code: 'refused' });
    await all();
    await verifyBackup(directory);
    expect(await readdir(directory)).not.toContain('unfinished.json');
    await expect(all()).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('there is a backup in it'),
    });
  });

  it('refuses a directory with something else in it, and a manifest that leads out of it', async () => {
    await all();
    const evil = { ...manifest, before: { ...manifest.before, name: '../before.sql' } };
    await writeFile(join(directory, MANIFEST), JSON.stringify(evil));
    await expect(verifyBackup(directory)).rejects.toMatchObject({ code: 'refused' });
    await rm(join(directory, MANIFEST));
    await expect(all()).rejects.toMatchObject({ code: 'refused' });
  });

  it('stops when it is told to, also while PostgreSQL is busy', async () => {
    const stop = new AbortController();
    const blocker = new pg.Client({ connectionString: rich.plan.source, connectionTimeoutMillis: 20_000 });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    const outcome = all({ signal: stop.signal }).catch((error: unknown) => error);
    try {
      await waitFor('the backup to wait', async () => {
        const sql = `SELECT FROM pg_stat_activity WHERE application_name = 'gravitas-split' AND wait_event_type = 'Lock' AND datname = current_database()`;
        return (await rich.source.query(sql)).rowCount;
      });
      stop.abort();
      expect(await outcome).toMatchObject({ code: 'interrupted' });
    } finally {
      await blocker.end();
    }
    await expect(verifyBackup(directory)).rejects.toMatchObject({ code: 'refused' });
  });
});
