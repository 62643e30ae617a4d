import { generateKeyPairSync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { PostgresSink } from '#audit';
import { type AuditEvent } from '#contracts';
import { createPool, migrateAtBoot, roleOf } from '#database';
import { createTestDatabase, waitFor, type TestDatabase } from '#testing';
import { canonicalEvent, leafEntry, leafHash, NoteSigner, openCheckpoint, tenantOrigin, TreeEdge } from '#tlog';
import { migrations } from '../migrations/index.js';
import { readLeaves } from '../src/notary/core/log-tables.js';
import { Sequencer, type SequencerOptions } from '../src/notary/core/sequencer.js';
import { logEvent } from './support/log-event.js';

const seed = (): Buffer =>
  Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }).d!, 'base64url');

describe('the sequencer', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let sink: PostgresSink;
  let signer: NoteSigner;
  const sequencers: Sequencer[] = [];
  const warnings: string[] = [];

  const start = (options: Partial<SequencerOptions> = {}): Sequencer => {
    const log = { info: () => undefined, warn: (_details: object, message: string) => void warnings.push(message) };
    const sequencer = new Sequencer({
      url: database.notaryUrl!,
      signer,
      intervalMs: 10,
      batchSize: 500,
      log,
      ...options,
    });
    sequencers.push(sequencer);
    sequencer.start();
    return sequencer;
  };
  const query = async <R extends object>(sql: string, values: readonly unknown[] = []): Promise<R[]> =>
    (await pool.query(sql, [...values])).rows as R[];
  const sizes = async (): Promise<number> => {
    const [row] = await query<{ total: string }>('SELECT coalesce(sum(size), 0) AS total FROM tlog_trees');
    return Number(row!.total);
  };
  /** Makes each tree anew from the rows, and holds it against the log. */
  const expectLog = async (events: readonly AuditEvent[]): Promise<void> => {
    const byId = new Map(events.map((each) => [each.id, each]));
    const trees = await query<{ tenant_id: string; size: string; checkpoint: string }>('SELECT * FROM tlog_trees');
    expect(trees.reduce((sum, { size }) => sum + Number(size), 0)).toBe(events.length);
    for (const { tenant_id: tenant, size, checkpoint } of trees) {
      const leaves = await readLeaves(query, tenant, 0, Number(size) + 10);
      expect(leaves.map(({ index }) => index)).toEqual(Array.from({ length: Number(size) }, (_, i) => i));
      const edge = new TreeEdge();
      for (const { id } of leaves) {
        const source = byId.get(id);
        expect(source?.tenant_id).toBe(tenant);
        edge.append(leafHash(leafEntry(canonicalEvent(source!))));
        byId.delete(id);
      }
      const opened = openCheckpoint(checkpoint, signer.verifier.named(tenantOrigin('test', tenant)));
      expect([opened.size, Buffer.from(opened.root).toString('hex')]).toEqual([
        Number(size),
        Buffer.from(edge.root()).toString('hex'),
      ]);
    }
    expect(byId.size).toBe(0);
  };

  beforeAll(() => {
    signer = new NoteSigner('test', seed());
  });
  beforeEach(async () => {
    database = await createTestDatabase('gatekeeper');
    const runtimeRole = roleOf(database.runtimeUrl);
    await migrateAtBoot({ service: 'gatekeeper', url: database.ownerUrl, runtimeRole, entities: [], migrations });
    await database.query('SELECT ensure_audit_partitions(1, 1)');
    pool = createPool(database.superuserUrl, 'sequencer-spec', 8, () => undefined);
    sink = new PostgresSink(createPool(database.runtimeUrl, 'sequencer-spec', 8, () => undefined));
  });
  afterEach(async () => {
    await Promise.all(sequencers.splice(0).map((sequencer) => sequencer.stop()));
    await sink.close();
    await pool.end();
    await database.drop();
  });
  afterAll(() => expect(warnings).toEqual([]));

  it('puts what is there and what comes into its tenants’ trees, each event once', async () => {
    const before = Array.from({ length: 1234 }, (_, i) => logEvent(`tenant ${i % 3}`, i));
    await sink.write(before);
    start();
    await waitFor('the first events', async () => (await sizes()) === before.length, 20_000);
    const after = Array.from({ length: 700 }, (_, i) => logEvent(`tenant ${i % 5}`, i));
    for (let i = 0; i < after.length; i += 70) await sink.write(after.slice(i, i + 70));
    await waitFor('the others', async () => (await sizes()) === before.length + after.length, 20_000);
    await expectLog([...before, ...after]);
  }, 60_000);

  it('skips nothing that commits late, whatever commits before it', async () => {
    start();
    const late = logEvent('default', 1);
    const client = new pg.Client({ connectionString: database.superuserUrl });
    await client.connect();
    const others = Array.from({ length: 50 }, (_, i) => logEvent('default', i));
    try {
      // Its transaction begins first, and ends last.
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO audit_log (id, tenant_id, timestamp, service, ghost_id, action, resource, result, reason, entities, metadata, leaf_hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
        [
          late.id,
          late.tenant_id,
          late.timestamp,
          late.service,
          late.ghost_id,
          late.action,
          late.resource,
          late.result,
          late.reason,
          JSON.stringify(late.entities),
          JSON.stringify(late.metadata),
          leafHash(leafEntry(canonicalEvent(late))),
        ],
      );
      for (const each of others) await sink.write([each]);
      await waitFor('those that committed', async () => (await sizes()) === others.length, 20_000);
      await client.query('COMMIT');
    } finally {
      await client.end();
    }
    await waitFor('the late one', async () => (await sizes()) === others.length + 1, 20_000);
    await expectLog([...others, late]);
  }, 60_000);

  it('one of several leads; when it goes, another goes on', async () => {
    const written: AuditEvent[] = [];
    const instances = [start(), start(), start()];
    for (let round = 0; round < 3; round++) {
      await waitFor('a leader', () => instances.filter(({ state }) => state === 'leader').length === 1, 20_000);
      const events = Array.from({ length: 300 }, (_, i) => logEvent(`tenant ${i % 2}`, i));
      written.push(...events);
      await sink.write(events);
      await waitFor('the events', async () => (await sizes()) === written.length, 20_000);
      await instances.find(({ state }) => state === 'leader')!.stop();
    }
    await expectLog(written);
  }, 60_000);

  it('takes in events from before there was a log by their rows', async () => {
    const old = Array.from({ length: 40 }, (_, i) => logEvent('default', i));
    await sink.write(old);
    await database.query(`UPDATE audit_log SET leaf_hash = NULL`);
    const [{ xid }] = (await database.query<{ xid: string }>(
      'SELECT max(xid::text::bigint)::text AS xid FROM audit_log',
    )) as [{ xid: string }];
    await database.query(`UPDATE tlog_sequencer SET adopted = '${xid}'::xid8`);
    start();
    await waitFor('the events', async () => (await sizes()) === old.length, 20_000);
    await expectLog(old);
  }, 60_000);

  it.each([
    ['a row that came past the service', 'NULL'],
    ['a row whose leaf hash is none', String.raw`'\x00'`],
  ])(
    'leaves out %s',
    async (_name, hash) => {
      const good = logEvent('default', 1);
      await database.query(
        `INSERT INTO audit_log (id, tenant_id, timestamp, service, action, resource, result, reason, entities, metadata, leaf_hash)
       VALUES (gen_random_uuid(), 'default', now(), 's', 'a', 'r', 'ALLOWED', '', '[]', '{}', ${hash})`,
      );
      start();
      await sink.write([good]);
      await waitFor('the other', async () => (await sizes()) === 1, 20_000);
      await expectLog([good]);
    },
    60_000,
  );
});
