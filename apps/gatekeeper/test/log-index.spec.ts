import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { migrateAtBoot, roleOf } from '#database';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { NoteSigner } from '#tlog';
import { migrations } from '../migrations/index.js';
import { LEAF_OF_EVENT, placeOf } from '../src/notary/core/event-place.js';
import { type Query } from '../src/notary/core/log-tables.js';
import { Sequencer } from '../src/notary/core/sequencer.js';

const EVENTS = 50_000;
const IN_TRANSACTION = 500;
const PARTS = 10;

interface Plan {
  'Node Type': string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

describe(`a log of ${EVENTS} events`, () => {
  let database: TestDatabase;
  let reader: pg.Client;
  let sequencer: Sequencer;
  const query: Query = async (sql, values) => (await reader.query(sql, [...values])).rows as never;

  beforeAll(async () => {
    database = await createTestDatabase('gatekeeper');
    const runtimeRole = roleOf(database.runtimeUrl);
    await migrateAtBoot({ service: 'gatekeeper', url: database.ownerUrl, runtimeRole, entities: [], migrations });
    await database.query('SELECT ensure_audit_partitions(1, 1)');
    // As many transactions as the service would make of them; three tenants of the same size.
    for (let part = 0; part < PARTS; part++)
      await database.query(`
      DO $$ BEGIN
        FOR batch IN 1 .. ${EVENTS / IN_TRANSACTION / PARTS} LOOP
          INSERT INTO audit_log (id, tenant_id, timestamp, service, action, resource, result, reason, entities, metadata, leaf_hash)
          SELECT gen_random_uuid(), 'tenant ' || i % 3, now() - make_interval(secs => i), 's', 'a', 'r', 'ALLOWED', '', '[]', '{}',
                 sha256(i::text::bytea)
          FROM generate_series(1, ${IN_TRANSACTION}) AS i;
          COMMIT;
        END LOOP;
      END $$`);
    const log = { info: () => undefined, warn: () => undefined };
    const signer = new NoteSigner('test', randomBytes(32));
    sequencer = new Sequencer({ url: database.notaryUrl!, signer, intervalMs: 10, batchSize: 1000, log });
    sequencer.start();
    await waitFor(
      'the log',
      async () =>
        Number((await database.query<{ sum: string }>('SELECT sum(size) FROM tlog_trees'))[0]!.sum) === EVENTS,
      90_000,
    );
    await database.query('ANALYZE audit_log, tlog_leaves');
    reader = new pg.Client({ connectionString: database.readerUrl!, connectionTimeoutMillis: 20_000 });
    await reader.connect();
    await reader.query(`SELECT set_config('gravitas.tenant', 'tenant 1', false)`);
  }, 180_000);
  afterAll(async () => {
    await sequencer.stop();
    await reader.end();
    await database.drop();
  });

  const explain = async (sql: string, values: readonly unknown[]): Promise<Plan[]> => {
    const [row] = await query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`,
      values,
    );
    return nodesOf(row!['QUERY PLAN'][0].Plan);
  };

  it.each(['oldest', 'middle', 'newest'])('finds the %s event by its transaction, through the index', async (which) => {
    const offset = { oldest: 0, middle: 8_333, newest: 16_000 }[which];
    const [event] = await query<{ id: string; xid: string }>(
      'SELECT id, xid::text AS xid FROM audit_log ORDER BY audit_log.xid, timestamp, id OFFSET $1 LIMIT 1',
      [offset],
    );
    const nodes = await explain(LEAF_OF_EVENT, ['tenant 1', event!.id, event!.xid]);
    expect(nodes.map((node) => node['Index Name']).filter(Boolean)).toEqual(['tlog_leaves_xid_idx']);
    const [root] = nodes;
    expect(root!['Shared Hit Blocks'] + root!['Shared Read Blocks']).toBeLessThan(60);
    expect(await placeOf(query, 'tenant 1', event!.id)).toMatchObject({ state: 'logged', index: offset });
  });

  it('finds nothing of another tenant, whatever is asked', async () => {
    const [event] = await database.query<{ id: string; xid: string }>(
      `SELECT id, xid::text AS xid FROM audit_log WHERE tenant_id = 'tenant 2' LIMIT 1`,
    );
    expect(await query(LEAF_OF_EVENT, ['tenant 2', event!.id, event!.xid])).toEqual([]);
    expect(await placeOf(query, 'tenant 2', event!.id)).toBeUndefined();
  });
});
