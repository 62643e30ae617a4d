import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  canonicalStoredEvent,
  formatCheckpoint,
  leafEntry,
  leafHash,
  signNote,
  tenantOrigin,
  TreeEdge,
  type DifferenceKind,
  type Hash,
  type StoredEvent,
} from '#tlog';
import { logEvent, logSigner, LoggedTrail, verifyDatabase, type Copy } from './support/logged-trail.js';

const TENANTS = ['alpha', 'beta', 'gamma/δ'];
const SIZES = [1500, 800, 300];

type Expected = [tenant: string, kind: DifferenceKind, index: number];

describe('somebody with all rights in the database', () => {
  let trail: LoggedTrail;
  let saved: Map<string, string[]>;
  beforeAll(async () => {
    trail = await LoggedTrail.make();
    const events = Array.from({ length: Math.max(...SIZES) }, (_, i) => i).flatMap((i) =>
      TENANTS.flatMap((tenant, t) => (i < SIZES[t]! ? [logEvent(tenant, i)] : [])),
    );
    await trail.write(events);
    const first = await trail.verify();
    expect(first.differences).toEqual([]);
    expect(first.problems).toEqual([]);
    saved = new Map(
      first.tenants.flatMap(({ tenant, verdict }) => (verdict?.intact ? [[tenant, [String(verdict.latest)]]] : [])),
    );
    expect([...saved.keys()]).toEqual(TENANTS);
    await trail.quiet();
  }, 60_000);
  afterAll(() => trail.drop());

  const found = async ({ notaryUrl }: Copy, kept = new Map<string, string[]>()): Promise<Expected[]> => {
    const { differences, problems } = await verifyDatabase(notaryUrl, { log: trail.keys, saved: kept });
    expect(problems).toEqual([]);
    return differences.map(({ tenant, kind, index }) => [tenant, kind, index]);
  };
  /** What is found after a change, without any checkpoint that was saved earlier. */
  const after = (change: (copy: Copy) => Promise<unknown>, kept = new Map<string, string[]>()): Promise<Expected[]> =>
    trail.copied(async (copy) => {
      await change(copy);
      return found(copy, kept);
    });
  /** Where the event of a leaf is. */
  const eventAt = async ({ query }: Copy, tenant: string, index: number) => {
    const [row] = await query<{ id: string; time: string }>(
      `SELECT ids[$2 - first + 1] AS id, times[$2 - first + 1]::text AS time FROM tlog_leaves
       WHERE tenant_id = $1 AND first <= $2 ORDER BY first DESC LIMIT 1`,
      [tenant, index],
    );
    return row!;
  };
  const update = async (copy: Copy, tenant: string, index: number, set: string) => {
    const { id, time } = await eventAt(copy, tenant, index);
    await copy.query(`UPDATE audit_log SET ${set} WHERE id = $1 AND timestamp = $2`, [id, time]);
  };
  const insert = ({ query }: Copy, columns = '', values = '') =>
    query(
      `INSERT INTO audit_log (id, tenant_id, timestamp, service, action, resource, result, reason, entities, metadata${columns})
       VALUES (gen_random_uuid(), 'beta', now(), 's', 'a', 'r', 'ALLOWED', '', '[]', '{}'${values})`,
    );

  it('finds nothing without a trace: nothing was changed yet', async () => {
    expect(await after(() => Promise.resolve(), saved)).toEqual([]);
  });

  it.each([
    ['a field', `resource = 'shells/l3/0'`],
    ['an empty field', `ghost_id = NULL`],
    ['the result', `result = 'FAILED'`],
    ['one value in the metadata', `metadata = jsonb_set(metadata, '{nested,a,2}', '1.50000000000000000001')`],
    ['a member of the metadata', `metadata = metadata || '{"more": null}'`],
    ['an entity', `entities = '[]'`],
    ['the sequence', `sequence = 7`],
  ])('who edits %s is found at its event', async (_, set) => {
    expect(await after((copy) => update(copy, 'alpha', 777, set))).toEqual([['alpha', 'event_changed', 777]]);
  });

  it('who edits the time, by a microsecond, is found', async () => {
    const change = (copy: Copy) => update(copy, 'beta', 3, `timestamp = timestamp - interval '1 microsecond'`);
    expect(await after(change)).toEqual([['beta', 'event_missing', 3]]);
  });

  it('who edits the hash of a leaf, or takes it away, is found', async () => {
    expect(await after((copy) => update(copy, 'beta', 5, `leaf_hash = sha256('')`))).toEqual([
      ['beta', 'leaf_changed', 5],
    ]);
    expect(await after((copy) => update(copy, 'beta', 6, `leaf_hash = NULL`))).toEqual([['beta', 'leaf_changed', 6]]);
    // With a change of the event that it covers.
    const both = `reason = 'other', leaf_hash = sha256('other')`;
    expect(await after((copy) => update(copy, 'beta', 7, both))).toEqual([['beta', 'event_changed', 7]]);
  });

  it('who deletes an event, some events or all is found at the first', async () => {
    const one = async (copy: Copy) => {
      const { id } = await eventAt(copy, 'alpha', 1499);
      await copy.query('DELETE FROM audit_log WHERE id = $1', [id]);
    };
    expect(await after(one)).toEqual([['alpha', 'event_missing', 1499]]);
    expect(await after(({ query }) => query('DELETE FROM audit_log'))).toEqual([
      ['alpha', 'event_missing', 0],
      ['beta', 'event_missing', 0],
      ['gamma/δ', 'event_missing', 0],
    ]);
  });

  it('who deletes the end is found where it begins, as long as anything is left of it', async () => {
    const rows = ({ query }: Copy, from: number) =>
      query(
        `DELETE FROM audit_log WHERE (id, timestamp) IN (
           SELECT id, time FROM tlog_leaves, unnest(ids, times) WITH ORDINALITY AS event (id, time, place)
           WHERE tenant_id = 'beta' AND first + place - 1 >= $1)`,
        [from],
      );
    const leaves = ({ query }: Copy, from: number) =>
      query(
        `WITH gone AS (DELETE FROM tlog_leaves WHERE tenant_id = 'beta' AND first >= $1)
         UPDATE tlog_leaves SET ids = ids[:$1 - first], times = times[:$1 - first]
         WHERE tenant_id = 'beta' AND first < $1 AND first + cardinality(ids) > $1`,
        [from],
      );
    expect(await after((copy) => rows(copy, 790))).toEqual([['beta', 'event_missing', 790]]);
    const both = async (copy: Copy) => {
      await rows(copy, 790);
      await leaves(copy, 790);
    };
    expect(await after(both)).toEqual([['beta', 'leaf_missing', 790]]);
    expect(await after((copy) => leaves(copy, 790))).toEqual([['beta', 'leaf_missing', 790]]);
  });

  it('who cuts the whole log back to an earlier checkpoint is found by what a verifier has saved', async () => {
    const back = async ({ query }: Copy) => {
      const [kept] = await query<{ size: number; note: string }>(
        `SELECT size::integer, note FROM tlog_checkpoints WHERE tenant_id = 'beta' ORDER BY size LIMIT 1`,
      );
      const { size, note } = kept!;
      await query(
        `DELETE FROM audit_log WHERE (id, timestamp) IN (
           SELECT id, time FROM tlog_leaves, unnest(ids, times) WITH ORDINALITY AS event (id, time, place)
           WHERE tenant_id = 'beta' AND first + place - 1 >= $1)`,
        [size],
      );
      await query(`DELETE FROM tlog_leaves WHERE tenant_id = 'beta' AND first >= $1`, [size]);
      await query(`UPDATE tlog_trees SET size = $1, checkpoint = $2 WHERE tenant_id = 'beta'`, [size, note]);
      await query(`DELETE FROM tlog_checkpoints WHERE tenant_id = 'beta' AND size > $1`, [size]);
      await query(`DELETE FROM tlog_tiles WHERE tenant_id = 'beta' AND level = 0 AND index > $1`, [
        Math.floor(size / 256),
      ]);
      await query(
        `UPDATE tlog_tiles SET hashes = substr(hashes, 1, 32 * ($1 % 256))
         WHERE tenant_id = 'beta' AND level = 0 AND index = $1 / 256`,
        [size],
      );
      await query(
        size < 256
          ? `DELETE FROM tlog_tiles WHERE tenant_id = 'beta' AND level = 1 AND $1 < 256`
          : `UPDATE tlog_tiles SET hashes = substr(hashes, 1, 32 * ($1 / 256)) WHERE tenant_id = 'beta' AND level = 1`,
        [size],
      );
      return size;
    };
    await trail.copied(async (copy) => {
      const size = await back(copy);
      expect(await found(copy)).toEqual([]);
      expect(await found(copy, saved)).toEqual([['beta', 'rolled_back', size]]);
    });
    const all = async ({ query }: Copy) => {
      for (const table of ['audit_log', 'tlog_trees', 'tlog_leaves', 'tlog_tiles', 'tlog_checkpoints'])
        await query(`DELETE FROM ${table} WHERE tenant_id = 'gamma/δ'`);
    };
    expect(await after(all)).toEqual([]);
    expect(await after(all, saved)).toEqual([['gamma/δ', 'rolled_back', 0]]);
  });

  it('who takes only the newest checkpoint back is found by the rest', async () => {
    const back = ({ query }: Copy) =>
      query(
        `UPDATE tlog_trees t SET checkpoint = note, size = c.size FROM tlog_checkpoints c
         WHERE t.tenant_id = 'alpha' AND c.tenant_id = 'alpha'
           AND c.size = (SELECT min(size) FROM tlog_checkpoints WHERE tenant_id = 'alpha')`,
      );
    await trail.copied(async (copy) => {
      await back(copy);
      const [{ size }] = (await copy.query<{ size: number }>(
        `SELECT size::integer FROM tlog_trees WHERE tenant_id = 'alpha'`,
      )) as [{ size: number }];
      expect(await found(copy)).toEqual([['alpha', 'leaf_extra', size]]);
    });
    const size = ({ query }: Copy) => query(`UPDATE tlog_trees SET size = size + 1 WHERE tenant_id = 'alpha'`);
    expect(await after(size)).toEqual([['alpha', 'checkpoint', 1500]]);
    const gone = ({ query }: Copy) => query(`DELETE FROM tlog_trees WHERE tenant_id = 'alpha'`);
    expect(await after(gone)).toEqual([['alpha', 'leaf_extra', 0]]);
  });

  it('who inserts an event that the sequencer never saw is found', async () => {
    const nowhere: Expected[] = [['beta', 'event_unlogged', 800]];
    const old = `, (SELECT min(xid) FROM audit_log)`;
    expect(await after((copy) => insert(copy))).toEqual(nowhere);
    expect(await after((copy) => insert(copy, ', xid', old))).toEqual(nowhere);
    expect(await after((copy) => insert(copy, ', leaf_hash, xid', `, sha256('x')${old}`))).toEqual(nowhere);
    expect(await after((copy) => insert(copy, ', leaf_hash, xid', `, sha256('x'), '9999999999999'`))).toEqual(nowhere);
  });

  it('who writes an event as the service does has added one to the log, and nothing can be said against it before that', async () => {
    await trail.copied(async (copy) => {
      await insert(copy, ', leaf_hash', `, sha256('x')`);
      const verdict = await verifyDatabase(copy.notaryUrl, { log: trail.keys });
      expect(verdict.differences).toEqual([]);
      expect(verdict.tenants[1]).toMatchObject({ tenant: 'beta', pending: { events: 1 } });
    });
  });

  it('who swaps the contents of two events is found at the first', async () => {
    const swap = async (copy: Copy) => {
      const [one, other] = [await eventAt(copy, 'alpha', 100), await eventAt(copy, 'alpha', 900)];
      await copy.query(
        `UPDATE audit_log a SET resource = b.resource, metadata = b.metadata, entities = b.entities, result = b.result
         FROM audit_log b WHERE (a.id = $1 AND b.id = $2) OR (a.id = $2 AND b.id = $1)`,
        [one.id, other.id],
      );
    };
    expect(await after(swap)).toEqual([['alpha', 'event_changed', 100]]);
    const ids = async (copy: Copy) => {
      const [one, other] = [await eventAt(copy, 'alpha', 100), await eventAt(copy, 'alpha', 101)];
      await copy.query(
        `UPDATE tlog_leaves SET ids = array_replace(array_replace(array_replace(ids, $1, gen_random_uuid()), $2, $1), NULL, $2)
         WHERE tenant_id = 'alpha' AND $1 = ANY (ids)`,
        [one.id, other.id],
      );
    };
    expect(await after(ids)).toEqual([['alpha', 'event_missing', 100]]);
  });

  it('who moves an event to another tenant is found in both', async () => {
    expect(await after((copy) => update(copy, 'alpha', 12, `tenant_id = 'beta'`))).toEqual([
      ['alpha', 'event_changed', 12],
      ['beta', 'event_unlogged', 800],
    ]);
    expect(await after((copy) => update(copy, 'alpha', 13, `tenant_id = 'nobody'`))).toEqual([
      ['alpha', 'event_changed', 13],
      ['nobody', 'event_unlogged', 0],
    ]);
  });

  it('who makes a leaf one of another event is found', async () => {
    const replace = async (copy: Copy) => {
      const [one, other] = [await eventAt(copy, 'alpha', 40), await eventAt(copy, 'alpha', 1400)];
      await copy.query(
        `UPDATE tlog_leaves SET ids[40 - first + 1] = $1, times[40 - first + 1] = $2
         WHERE tenant_id = 'alpha' AND first <= 40 AND first + cardinality(ids) > 40`,
        [other.id, other.time],
      );
      expect(one.id).not.toBe(other.id);
    };
    // In the tile it is still what it was.
    expect(await after(replace)).toEqual([['alpha', 'tile_changed', 40]]);
    const both = async (copy: Copy) => {
      const { id, time } = await eventAt(copy, 'alpha', 40);
      await copy.query(`UPDATE audit_log SET reason = 'x', leaf_hash = sha256('x') WHERE id = $1 AND timestamp = $2`, [
        id,
        time,
      ]);
      await copy.query(
        `UPDATE tlog_tiles SET hashes = overlay(hashes placing sha256('x') from 40 * 32 + 1)
         WHERE tenant_id = 'alpha' AND level = 0 AND index = 0`,
      );
    };
    expect(await after(both)).toEqual([['alpha', 'event_changed', 40]]);
  });

  it('who replaces a tile, or takes one away, is found at the leaf', async () => {
    const replace = (level: number, index: number, position: number) => (copy: Copy) =>
      copy.query(
        `UPDATE tlog_tiles SET hashes = overlay(hashes placing sha256('x') from $3 * 32 + 1)
         WHERE tenant_id = 'alpha' AND level = $1 AND index = $2`,
        [level, index, position],
      );
    expect(await after(replace(0, 2, 9))).toEqual([['alpha', 'tile_changed', 521]]);
    expect(await after(replace(0, 5, 219))).toEqual([['alpha', 'tile_changed', 1499]]);
    expect(await after(replace(1, 0, 3))).toEqual([['alpha', 'tile_changed', 768]]);
    const gone = ({ query }: Copy) =>
      query(`DELETE FROM tlog_tiles WHERE tenant_id = 'alpha' AND level = 0 AND index = 4`);
    expect(await after(gone)).toEqual([['alpha', 'tile_missing', 1024]]);
  });

  /** The log of a tenant with other leaves from `from` on, signed by whoever that is, with everything in the database fitting it. */
  const rewrite = async (copy: Copy, tenant: string, from: number, signer = trail.signer): Promise<void> => {
    if (from < Infinity) {
      const { id, time } = await eventAt(copy, tenant, from);
      await copy.query(`UPDATE audit_log SET reason = 'rewritten' WHERE id = $1 AND timestamp = $2`, [id, time]);
    }
    const rows = await copy.query<StoredEvent>(
      `SELECT a.id, a.tenant_id, service, ghost_id, shell_id, action, resource, result, reason, request_id, session_id, producer,
              sequence::text AS sequence, entities::text AS entities, metadata::text AS metadata,
              to_char(a.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp
       FROM tlog_leaves l, unnest(ids, times) WITH ORDINALITY AS leaf (event_id, time, place)
       JOIN audit_log a ON a.id = event_id AND a.timestamp = time WHERE l.tenant_id = $1 ORDER BY first, place`,
      [tenant],
    );
    const hashes: Hash[] = rows.map((row) => leafHash(leafEntry(canonicalStoredEvent(row))));
    const named = signer.named(tenantOrigin(signer.name, tenant));
    const edge = new TreeEdge();
    const notes = new Map<number, string>();
    for (const hash of hashes) {
      edge.append(hash);
      const text = formatCheckpoint({ origin: named.name, size: edge.size, root: edge.root() });
      notes.set(edge.size, signNote(text, [named]));
    }
    for (const { level, index, bytes } of edge.takeChanged())
      await copy.query('UPDATE tlog_tiles SET hashes = $4 WHERE tenant_id = $1 AND level = $2 AND index = $3', [
        tenant,
        level,
        index,
        bytes,
      ]);
    const sizes = await copy.query<{ size: number }>(
      'SELECT size::integer FROM tlog_checkpoints WHERE tenant_id = $1',
      [tenant],
    );
    for (const { size } of sizes)
      await copy.query('UPDATE tlog_checkpoints SET note = $3 WHERE tenant_id = $1 AND size = $2', [
        tenant,
        size,
        notes.get(size),
      ]);
    await copy.query('UPDATE tlog_trees SET checkpoint = $2 WHERE tenant_id = $1', [tenant, notes.get(edge.size)]);
    await copy.query(
      `UPDATE audit_log a SET leaf_hash = h.hash FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bytea[]) AS hash) h WHERE a.id = h.id`,
      [rows.map(({ id }) => id), hashes],
    );
  };

  it('who signs everything anew with another key is found at the first checkpoint', async () => {
    const other = logSigner();
    await trail.copied(async (copy) => {
      for (const tenant of TENANTS) await rewrite(copy, tenant, Infinity, other);
      const firsts = await copy.query<{ tenant_id: string; size: number }>(
        'SELECT tenant_id, min(size)::integer AS size FROM tlog_checkpoints GROUP BY 1 ORDER BY 1',
      );
      expect(await found(copy)).toEqual(firsts.map(({ tenant_id, size }) => [tenant_id, 'checkpoint', size]));
      // With the key from the same place as the log, only what was saved tells.
      const { differences } = await verifyDatabase(copy.notaryUrl, { log: [other.verifier], saved });
      expect(differences.map(({ tenant, kind }) => [tenant, kind])).toEqual(
        TENANTS.map((tenant) => [tenant, 'checkpoint']),
      );
    });
  });

  it('who has even the key, and writes history anew, is found by what a verifier has saved', async () => {
    await trail.copied(async (copy) => {
      await rewrite(copy, 'beta', 50);
      expect(await found(copy)).toEqual([]);
      expect(await found(copy, saved)).toEqual([['beta', 'fork', 800]]);
    });
  });

  it('who lets the log sign two histories of one size is found there', async () => {
    await trail.copied(async (copy) => {
      const before = await copy.query<{ size: number; note: string }>(
        `SELECT size::integer, note FROM tlog_checkpoints WHERE tenant_id = 'beta' ORDER BY size`,
      );
      await rewrite(copy, 'beta', 50);
      const { size, note } = before[1]!;
      await copy.query(`UPDATE tlog_checkpoints SET note = $2 WHERE tenant_id = 'beta' AND size = $1`, [size, note]);
      expect(await found(copy)).toEqual([['beta', 'root', size]]);
    });
  });

  it('who hides where the sequencer stands is told that nobody can tell', async () => {
    await trail.copied(async ({ query, notaryUrl }) => {
      await query('DELETE FROM tlog_sequencer');
      await expect(verifyDatabase(notaryUrl, { log: trail.keys })).rejects.toThrow('tlog_sequencer');
    });
  });

  it('who lets the verifier see one tenant only is not believed', async () => {
    await trail.copied(async ({ superuserUrl: _, notaryUrl }) => {
      const url = new URL(notaryUrl);
      const reader = new URL(trail.database.readerUrl!);
      [url.username, url.password] = [reader.username, reader.password];
      await expect(verifyDatabase(url.toString(), { log: trail.keys })).rejects.toThrow();
    });
  });
});
