import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { createPool, migrateAtBoot, roleOf } from '#database';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { migrations } from '../migrations/index.js';
import { CheckpointKeeper } from '../src/notary/core/checkpoint-keeper.js';
import { thinCheckpoints } from '../src/notary/core/checkpoint-thinning.js';
import { type Query } from '../src/notary/core/log-tables.js';

const HOUR = 3_600_000;
const T0 = Date.parse('2026-03-01T00:00:00Z');

describe('old checkpoints', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  const query: Query = async (sql, values) => (await pool.query(sql, [...values])).rows as never;
  const thin = async (now: number, limit = 1000): Promise<number> => {
    let total = 0;
    for (let rounds = 0; rounds < 1000; rounds++) {
      const { dropped, more } = await thinCheckpoints(query, now, limit);
      expect(dropped).toBeLessThanOrEqual(limit);
      total += dropped;
      if (!more) return total;
    }
    throw new Error('it does not come to an end');
  };
  /** The hours (since the beginning) and minutes of the checkpoints that are there. */
  const kept = async (tenant = 'acme'): Promise<string[]> => {
    const rows = await database.query<{ size: string; cosigned: boolean }>(
      `SELECT size, EXISTS (SELECT FROM tlog_cosignatures s WHERE s.tenant_id = c.tenant_id AND s.size = c.size) AS cosigned
       FROM tlog_checkpoints AS c WHERE tenant_id = $1 ORDER BY size`,
      [tenant],
    );
    return rows.map(({ size, cosigned }) => {
      const minute = Number(size) - 1;
      return `${Math.floor(minute / 60)}:${minute % 60}${cosigned ? '+' : ''}`;
    });
  };
  /** One a minute, by size from 1 on. */
  const fill = async (hours: number, tenant = 'acme'): Promise<void> => {
    await database.query(
      `INSERT INTO tlog_checkpoints (tenant_id, size, note, made_at)
       SELECT $1, i + 1, 'note', $2::timestamptz + i * interval '1 minute' FROM generate_series(0, $3::int - 1) AS i`,
      [tenant, new Date(T0).toISOString(), hours * 60],
    );
  };

  beforeAll(async () => {
    database = await createTestDatabase('gatekeeper');
    const runtimeRole = roleOf(database.runtimeUrl);
    await migrateAtBoot({ service: 'gatekeeper', url: database.ownerUrl, runtimeRole, entities: [], migrations });
    pool = createPool(database.notaryUrl!, 'thinning-spec', 2, () => undefined);
  });
  beforeEach(() =>
    database.query('TRUNCATE tlog_checkpoints, tlog_cosignatures; UPDATE tlog_sequencer SET thinned_to = NULL'),
  );
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  it('stay for a day, then the last of each hour does, for each tenant', async () => {
    await fill(30);
    await fill(2, 'globex');
    expect(await thin(T0 + 25 * HOUR - 1)).toBe(0);
    expect(await thin(T0 + 25 * HOUR)).toBe(2 * 59);
    expect((await kept()).slice(0, 3)).toEqual(['0:59', '1:0', '1:1']);
    expect(await thin(T0 + 30 * HOUR, 7)).toBe(6 * 59);
    expect((await kept()).slice(0, 7)).toEqual(['0:59', '1:59', '2:59', '3:59', '4:59', '5:59', '6:0']);
    expect(await kept('globex')).toEqual(['0:59', '1:59']);
    expect(await thin(T0 + 1000 * HOUR)).toBe(59 * 24);
    expect(await thin(T0 + 1000 * HOUR)).toBe(0);
    expect(await kept()).toHaveLength(30);
  });

  it('that a witness has cosigned: the last of each hour stays, too, and the cosignatures of the others go with them', async () => {
    await fill(2);
    await database.query(
      `INSERT INTO tlog_cosignatures (tenant_id, size, witness, line, made_at)
       SELECT 'acme', size, 'w', 'line', now() FROM unnest(ARRAY[11, 31, 120]) AS size`,
    );
    await thin(T0 + 100 * HOUR);
    expect(await kept()).toEqual(['0:30+', '0:59', '1:59+']);
    expect(await database.query('SELECT FROM tlog_cosignatures')).toHaveLength(2);
  });

  it('are thinned out by the leader, while it runs', async () => {
    await fill(48);
    let leads = false;
    let looks = 0;
    let dropped = 0;
    const keeper = new CheckpointKeeper({
      pool,
      leads: () => {
        looks++;
        return leads;
      },
      log: { warn: (details) => expect(details).toBeUndefined() },
      onDropped: (count) => (dropped += count),
      now: () => T0 + 48 * HOUR,
      lookMs: 20,
    });
    keeper.start();
    try {
      await waitFor('a few looks', () => looks > 3);
      expect(dropped).toBe(0);
      leads = true;
      await waitFor('the end', () => dropped === 24 * 59, 20_000);
    } finally {
      await keeper.stop();
    }
    expect(await kept()).toHaveLength(24 + 24 * 60);
  });
});
