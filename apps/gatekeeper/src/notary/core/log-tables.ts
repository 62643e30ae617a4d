import { TlogError, type StoredEvent, type Tile, type TileData, type TileSource } from '#tlog';
import { STORED_EVENT_COLUMNS } from './stored-events.js';

/** Runs one statement of the transaction that it belongs to. */
export type Query = <R extends object>(sql: string, values: readonly unknown[]) => Promise<R[]>;

/** Leaves to be, of one tenant and one behind the other, as a row of tlog_leaves has them. All but `count` as PostgreSQL writes it. */
export interface NewLeaves {
  tenant_id: string;
  count: number;
  /** uuid[] */
  ids: string;
  /** timestamptz[] */
  times: string;
  /** Between these are their transactions. */
  low_xid: string;
  high_xid: string;
}

/** Events that one row of tlog_leaves names at most; the table checks it. */
export const MAX_LEAVES_IN_ROW = 1000;
/** Of a statement; PostgreSQL takes 65,535. */
const MAX_PARAMETERS = 30_000;

export interface TreeRow {
  tenant_id: string;
  size: number;
  checkpoint: string;
}

export async function readTrees(query: Query, tenants: readonly string[]): Promise<Map<string, TreeRow>> {
  const rows = await query<{ tenant_id: string; size: string; checkpoint: string }>(
    'SELECT tenant_id, size, checkpoint FROM tlog_trees WHERE tenant_id = ANY($1)',
    [tenants],
  );
  return new Map(rows.map((row) => [row.tenant_id, { ...row, size: Number(row.size) }]));
}

/** One tenant's tiles. */
export class TileTable implements TileSource {
  constructor(
    private readonly query: Query,
    private readonly tenant: string,
  ) {}

  /** @throws TlogError tlog_malformed when one is not there */
  async readTiles(tiles: readonly Tile[]): Promise<Buffer[]> {
    const rows = await this.query<{ level: number; index: string; hashes: Buffer }>(
      `SELECT level, index, hashes FROM tlog_tiles
       WHERE tenant_id = $1 AND (level, index) IN (SELECT * FROM unnest($2::smallint[], $3::bigint[]))`,
      [this.tenant, tiles.map(({ level }) => level), tiles.map(({ index }) => index)],
    );
    const found = new Map(rows.map(({ level, index, hashes }) => [`${level}/${index}`, hashes]));
    return tiles.map(({ level, index }) => {
      const hashes = found.get(`${level}/${index}`);
      if (!hashes) throw new TlogError('tlog_malformed', `tile ${index} of level ${level} is gone`);
      return hashes;
    });
  }
}

export async function writeTiles(query: Query, tiles: readonly (TileData & { tenant: string })[]): Promise<void> {
  await insert(
    query,
    'tlog_tiles (tenant_id, level, index, hashes)',
    ['text', 'smallint', 'bigint', 'bytea'],
    tiles.map(({ tenant, level, index, bytes }) => [tenant, level, index, bytes]),
    'ON CONFLICT (tenant_id, level, index) DO UPDATE SET hashes = EXCLUDED.hashes',
  );
}

/** @param leaves each with the index of its first leaf */
export async function writeLeaves(query: Query, leaves: readonly (NewLeaves & { first: number })[]): Promise<void> {
  await insert(
    query,
    'tlog_leaves (tenant_id, first, ids, times, low_xid, high_xid)',
    ['text', 'bigint', 'uuid[]', 'timestamptz[]', 'bigint', 'bigint'],
    leaves.map(({ tenant_id, first, ids, times, low_xid, high_xid }) => [
      tenant_id,
      first,
      ids,
      times,
      low_xid,
      high_xid,
    ]),
  );
}

export async function writeTrees(query: Query, trees: readonly TreeRow[]): Promise<void> {
  const values = [
    trees.map(({ tenant_id }) => tenant_id),
    trees.map(({ size }) => size),
    trees.map(({ checkpoint }) => checkpoint),
  ];
  const rows = 'unnest($1::text[], $2::bigint[], $3::text[]) AS new (tenant_id, size, note)';
  await query(
    `INSERT INTO tlog_trees (tenant_id, size, checkpoint, sequenced_at) SELECT tenant_id, size, note, now() FROM ${rows}
     ON CONFLICT (tenant_id) DO UPDATE
     SET size = EXCLUDED.size, checkpoint = EXCLUDED.checkpoint, sequenced_at = EXCLUDED.sequenced_at`,
    values,
  );
  await query(
    `INSERT INTO tlog_checkpoints (tenant_id, size, note, made_at) SELECT tenant_id, size, note, now() FROM ${rows}`,
    values,
  );
}

/** Rows of events as they are stored, by id. */
export async function readEvents(
  query: Query,
  ids: readonly string[],
  times: readonly string[],
): Promise<Map<string, StoredEvent>> {
  const rows = await query<StoredEvent>(
    `SELECT ${STORED_EVENT_COLUMNS} FROM audit_log
     WHERE (id, timestamp) IN (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]))`,
    [ids, times],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** The leaves [from, to) of a tenant, as far as they are there: each with its event's id and time. */
export async function readLeaves(
  query: Query,
  tenant: string,
  from: number,
  to: number,
): Promise<{ index: number; id: string; time: string }[]> {
  const rows = await query<{ index: string; id: string; time: string }>(
    `SELECT first + place - 1 AS index, id, time::text AS time
     FROM tlog_leaves, unnest(ids, times) WITH ORDINALITY AS event (id, time, place)
     WHERE tenant_id = $1 AND first > $2::bigint - ${MAX_LEAVES_IN_ROW} AND first < $3
       AND first + place - 1 >= $2 AND first + place - 1 < $3
     ORDER BY 1`,
    [tenant, from, to],
  );
  return rows.map((row) => ({ ...row, index: Number(row.index) }));
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

async function insert(
  query: Query,
  target: string,
  types: readonly string[],
  rows: readonly (readonly unknown[])[],
  conflict = '',
): Promise<void> {
  for (const part of chunks(rows, Math.floor(MAX_PARAMETERS / types.length))) {
    const places = part.map(
      (_, row) => `(${types.map((type, i) => `$${row * types.length + i + 1}::${type}`).join()})`,
    );
    await query(`INSERT INTO ${target} VALUES ${places.join()} ${conflict}`, part.flat());
  }
}
