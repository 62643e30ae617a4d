import { afterEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { create } from '../src/core/create/create.js';
import { dropDeferred, makeDeferred } from '../src/core/create/deferred.js';
import { readDeferred } from '../src/core/create/deferred-store.js';
import { driftOf } from '../src/core/create/drift.js';
import { fencedTables } from '../src/core/fence/fence.js';
import { type Progress } from '../src/core/progress.js';
import { PASSWORD, richSource, type RichSource } from './support/rich-source.js';

const SMALL = `
  CREATE TYPE mood AS ENUM ('calm', 'angry');
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TABLE people (id bigserial PRIMARY KEY, name text UNIQUE, mood mood);
  CREATE INDEX ON people (mood);
  CREATE TRIGGER touch BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE TABLE users (id bigint PRIMARY KEY, person bigint REFERENCES people);`;
const MIGRATION = SMALL.slice(0, SMALL.indexOf('CREATE TABLE users'));

class Killed extends Error {}

/** Fails, as a kill would, at the first point where it has not failed before. */
function killAtNew(seen: Set<string>): Progress {
  const say = (point: string): void => {
    if (seen.has(point)) return;
    seen.add(point);
    throw new Killed(point);
  };
  return { note: say, at: (step, done, total) => say(`${step}: ${total - done} left`) };
}

function isKill(error: unknown): boolean {
  return error instanceof Killed || (error instanceof Error && isKill(error.cause));
}

describe('create, interrupted', () => {
  let rich: RichSource;
  afterEach(() => rich.drop());

  /** Kills once at each point, always on the same database. @returns how many points there were */
  const killEverywhere = async (work: (progress: Progress) => Promise<unknown>): Promise<number> => {
    const seen = new Set<string>();
    for (;;) {
      const outcome = await work(killAtNew(seen)).catch((error: unknown) => error);
      if (!(outcome instanceof Error)) return seen.size;
      if (!isKill(outcome)) throw outcome;
    }
  };

  /** As by the service's migrations: each is done once. */
  const migrate = async (url: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000 });
    await client.connect();
    try {
      const { rows } = await client.query<{ done: boolean }>(`SELECT to_regclass('people') IS NOT NULL AS done`);
      if (!rows[0]!.done) await client.query(`${MIGRATION} INSERT INTO people (name) VALUES ('made by a migration')`);
    } finally {
      await client.end();
    }
  };

  it.each(['clone', 'migrations'] as const)(
    '%s: goes on from wherever it was ended',
    async (schema) => {
      rich = await richSource({ ddl: SMALL, shop: { schema, tables: ['people'] } });
      const run = async (progress: Progress): Promise<unknown> => {
        const move = rich.open('shop', { progress });
        try {
          return await create(move, { passwords: () => PASSWORD, migrate });
        } finally {
          await move.close();
        }
      };
      expect(await killEverywhere(run)).toBeGreaterThan(10);
      const move = rich.open();
      expect(await driftOf(move)).toEqual([]);
      expect(await fencedTables(move.databases.target, await move.tables('target'))).toHaveLength(1);
      expect((await readDeferred(move, 'target')).map(({ kind, present }) => [kind, present])).toEqual([
        ['unique', false],
        ['index', false],
        ['trigger', false],
      ]);
      expect((await move.databases.target.query('SELECT FROM people')).rowCount).toBe(0);

      for (const work of [makeDeferred, dropDeferred, makeDeferred]) {
        const points = await killEverywhere(async (progress) => {
          const one = rich.open('shop', { progress });
          await work(one, 'target').finally(() => one.close());
        });
        expect(points).toBeGreaterThan(3);
      }
      expect(await driftOf(move)).toEqual([]);
      expect((await readDeferred(move, 'target')).every(({ present }) => present)).toBe(true);
    },
    180_000,
  );

  it('stops where it is told to', async () => {
    rich = await richSource({ ddl: SMALL, shop: { tables: ['people'] } });
    const stop = new AbortController();
    const progress: Progress = { note: () => undefined, at: (_step, done) => void (done === 2 && stop.abort()) };
    const move = rich.open('shop', { progress, signal: stop.signal });
    await expect(create(move, { passwords: () => PASSWORD })).rejects.toMatchObject({ code: 'interrupted' });
    await create(rich.open(), { passwords: () => PASSWORD });
  });

  it('is done by one at a time', async () => {
    rich = await richSource({ ddl: SMALL, shop: { tables: ['people'] } });
    const other = await rich.source.connect();
    await other.query(`SELECT pg_advisory_lock(hashtextextended('gravitas-split create shop', 0))`);
    await expect(create(rich.open(), { passwords: () => PASSWORD })).rejects.toMatchObject({ code: 'busy' });
    // One that was killed holds it for a moment longer; how long a moment is, is not told by the clock here.
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now());
    try {
      const second = create(rich.open(), { passwords: () => PASSWORD });
      other.release(true);
      expect(await second).toMatchObject({ phase: 'created' });
    } finally {
      clock.mockRestore();
    }
  });
});
