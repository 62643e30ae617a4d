import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { dataSourceOptions, roleOf } from '#database';
import { waitFor } from '#testing';
import { CountOnInAnotherCluster1764547200000 } from '../migrations/1764547200000-count-on-in-another-cluster.js';
import { countOn } from '../src/notary/count-on.js';
import { type Sequencer } from '../src/notary/core/sequencer.js';
import { LoggedTrail, logEvent } from './support/logged-trail.js';

/** By so much the other cluster was ahead. */
const AHEAD = 5_000_000_000;

describe('a trail that comes from another cluster', () => {
  let trail: LoggedTrail;
  let sequencer: Sequencer | undefined;
  beforeEach(async () => {
    trail = await LoggedTrail.make();
  });
  afterEach(async () => {
    const last = sequencer;
    sequencer = undefined;
    await last?.stop();
    await trail.quiet();
    await trail.drop();
  });

  const events = (count: number) => Array.from({ length: count }, (_, i) => logEvent(`tenant ${i % 2}`, i));
  /** Two tenants' events in their logs, and `waiting` that are in none yet. */
  const write = async (logged: number, waiting: number): Promise<void> => {
    await trail.write(events(logged));
    if (waiting > 0) await trail.sink.write(events(waiting));
  };
  const comeFromAfar = (): Promise<unknown> =>
    trail.database.query(`
      UPDATE audit_log SET xid = (xid::text::bigint + ${AHEAD})::text::xid8;
      UPDATE tlog_leaves SET low_xid = low_xid + ${AHEAD}, high_xid = high_xid + ${AHEAD};
      UPDATE tlog_sequencer SET adopted = (adopted::text::bigint + ${AHEAD})::text::xid8,
        seen = format('%s:%1$s:', pg_snapshot_xmax(seen)::text::bigint + ${AHEAD})::pg_snapshot`);
  const told: string[] = [];
  const count = async (): Promise<string[]> => {
    told.length = 0;
    await countOn(trail.database.notaryUrl!, { warn: (_details: object, message: string) => void told.push(message) });
    return told;
  };
  const base = async (): Promise<number> =>
    Number((await trail.database.query<{ base: string }>('SELECT audit_xid_base() AS base'))[0]!.base);
  const lead = (): Sequencer => {
    sequencer = trail.sequencer();
    sequencer.start();
    return sequencer;
  };
  const waitForSize = (size: number) =>
    waitFor(`a log of ${size} events`, async () => (await trail.size()) === size, 20_000);

  it('goes on: what waits gets into the log, then what is new, and nothing twice', async () => {
    await write(900, 60);
    await comeFromAfar();
    expect(await count()).toEqual([expect.stringContaining('goes on from there')]);
    expect(await base()).toBeGreaterThan(AHEAD / 2);
    expect(await count()).toEqual([]);
    lead();
    await waitForSize(960);
    await trail.sink.write(events(80));
    await waitForSize(1040);
    await sequencer!.stop();
    const [order] = await trail.database.query<{ rows: string; wrong: string }>(`
      SELECT count(*) AS rows, count(*) FILTER (WHERE xid < before) AS wrong FROM (
        SELECT a.xid::text::bigint AS xid, lag(a.xid::text::bigint, 1, 0) OVER (PARTITION BY l.tenant_id ORDER BY first + place) AS before
        FROM tlog_leaves l, unnest(ids, times) WITH ORDINALITY AS event (id, time, place)
        JOIN audit_log a ON a.id = event.id AND a.timestamp = event.time) AS leaf`);
    expect(order).toEqual({ rows: '1040', wrong: '0' });
    const { tenants, differences, problems } = await trail.verify();
    expect([tenants.map(({ verdict }) => verdict?.intact), differences, problems]).toEqual([[true, true], [], []]);
  }, 60_000);

  it('skips nothing that commits late there', async () => {
    await write(10, 0);
    await comeFromAfar();
    await count();
    lead();
    const late = new pg.Client({ connectionString: trail.database.superuserUrl });
    await late.connect();
    try {
      await late.query(`BEGIN; CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT * FROM audit_log LIMIT 1;
        UPDATE mine SET id = gen_random_uuid(), xid = audit_xid(); INSERT INTO audit_log SELECT * FROM mine`);
      await trail.sink.write(events(40));
      await waitForSize(50);
      await late.query('COMMIT');
    } finally {
      await late.end();
    }
    await waitForSize(51);
  }, 60_000);

  it('is not taken into the log as long as nobody has counted on', async () => {
    await write(10, 10);
    await comeFromAfar();
    lead();
    await waitFor('the trouble', () => sequencer!.problem?.includes('start it anew'));
    expect(await trail.size()).toBe(10);
  });

  it('is none where it has been all the time, whatever is under way', async () => {
    const other = new pg.Client({ connectionString: trail.database.superuserUrl });
    await other.connect();
    try {
      await other.query('BEGIN; CREATE TEMP TABLE t (); SELECT pg_current_xact_id()');
      expect(await count()).toEqual([]);
      await write(20, 20);
      expect(await count()).toEqual([]);
      expect(await base()).toBe(0);
      await other.query('COMMIT');
    } finally {
      await other.end();
    }
  });

  it('cannot go back to an order of its own, which is the old one', async () => {
    const runtimeRole = roleOf(trail.database.runtimeUrl);
    const options = { service: 'gatekeeper', url: trail.database.ownerUrl, runtimeRole, entities: [], migrations: [] };
    const source = await new DataSource(dataSourceOptions(options)).initialize();
    const [migration, runner] = [new CountOnInAnotherCluster1764547200000(), source.createQueryRunner()];
    try {
      await migration.down(runner);
      await migration.up(runner);
      await write(3, 0);
      await comeFromAfar();
      await count();
      await expect(migration.down(runner)).rejects.toThrow('cannot be taken back');
    } finally {
      await runner.release();
      await source.destroy();
    }
  });

  it('is counted on by nobody but the notary', async () => {
    for (const url of [trail.database.runtimeUrl, trail.database.readerUrl!]) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await expect(client.query('SELECT audit_count_from(1000000000000)')).rejects.toMatchObject({ code: '42501' });
      await client.end();
    }
  });
});
