import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { dataSourceOptions, roleOf } from '#database';
import { createTestDatabase, type TestDatabase } from '#testing';
import { migrations } from '../migrations/index.js';
import { entities } from '../src/entities.js';

/** The migrations that brought rotation, hints and heartbeats. */
const LATER = 3;

describe('the way back to the schema before rotation and heartbeats', () => {
  let database: TestDatabase;
  let source: DataSource;
  beforeEach(async () => {
    database = await createTestDatabase('guardian');
    const runtimeRole = roleOf(database.runtimeUrl);
    const options = { service: 'guardian', url: database.ownerUrl, runtimeRole, entities, migrations };
    source = await new DataSource(dataSourceOptions(options)).initialize();
    await source.runMigrations();
  });
  afterEach(async () => {
    await source.destroy();
    await database.drop();
  });

  const back = async () => {
    for (let i = 0; i < LATER; i++) await source.undoLastMigration();
  };
  const session = (id: string, outcome: string | null) =>
    database.query(
      `INSERT INTO agent_sessions (session_id, agent, started_by, metadata, ended_at, outcome)
       VALUES ($1, 'A', 'x', '{}', CASE WHEN $2::text IS NOT NULL THEN now() END, $2)`,
      [id, outcome],
    );
  const certificate = (agent: string, minute: number, key: string, revoked = false) =>
    database.query(
      `INSERT INTO certificates VALUES (gen_random_uuid(), $1, timestamptz '2026-01-01 00:00Z' + $2 * interval '1 min', '2030-01-01',
         1, '{}', '', '', $3, CASE WHEN $4 THEN timestamptz '2026-01-02' END, CASE WHEN $4 THEN 'x' END)`,
      [agent, minute, key, revoked],
    );

  it('keeps each session; abandoned ones become cancelled, and active ones are heard of when it goes forward again', async () => {
    for (const [id, outcome] of [
      ['active', null],
      ['done', 'succeeded'],
      ['lost', 'abandoned'],
    ] as const)
      await session(id, outcome);
    await database.query(`UPDATE agent_sessions SET last_seen_at = now() - interval '1 year'`);
    await back();
    expect(await database.query('SELECT session_id, outcome FROM agent_sessions ORDER BY session_id')).toEqual([
      { session_id: 'active', outcome: null },
      { session_id: 'done', outcome: 'succeeded' },
      { session_id: 'lost', outcome: 'cancelled' },
    ]);
    await source.runMigrations();
    expect(
      await database.query(`SELECT FROM agent_sessions WHERE last_seen_at < now() - interval '1 minute'`),
    ).toHaveLength(0);
  });

  it('brings nobody back to life: the older of a revoked certificate, and what a revoked key signed, are revoked', async () => {
    await database.query(
      `INSERT INTO signing_keys (key_id, public_key, revoked_at, revoked_reason) VALUES ('good', '', NULL, NULL), ('bad', '', now(), 'x')`,
    );
    await certificate('single', 1, 'good');
    await certificate('single', 2, 'good', true);
    await certificate('leaked', 1, 'good');
    await certificate('leaked', 2, 'bad');
    await certificate('anew', 1, 'bad');
    await certificate('anew', 2, 'good');
    await certificate('untouched', 1, 'good');
    await back();
    const counting = await database.query(`SELECT agent FROM certificates WHERE revoked_at IS NULL ORDER BY agent`);
    expect(counting).toEqual([{ agent: 'anew' }, { agent: 'untouched' }]);
    await source.runMigrations();
  });
});
