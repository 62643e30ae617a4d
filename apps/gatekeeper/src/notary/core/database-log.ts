import { canonicalStoredEvent, HASH_BYTES, leafEntry, TlogError, type StoredEvent, type Tile } from '#tlog';
import { type Query } from './log-tables.js';
import { type TenantLog, type TrailLeaf } from './trail.js';

/** Leaves that are read at once, but for those before the first and after the last in the same rows. */
const RANGE = 4000n;
/** Leaves of a row of the table; it checks that. */
const MAX_IN_ROW = 1000n;
/** Ranges of a log that nobody has touched have fewer; more are in no order, which is told before the end of these. */
const MAX_IN_RANGE = 3n * RANGE;
const CHECKPOINTS = 1000;
/** Tiles of a level that are read at once. */
const TILES = 64;

const LEAVES = `
  SELECT leaf.first + place - 1 AS index, leaf_time::text AS time, a.id IS NOT NULL AS present,
         a.leaf_hash, a.leaf_hash IS NULL AND a.xid > s.adopted AS unhashed,
         a.id, a.tenant_id, a.service, a.ghost_id, a.shell_id, a.action, a.resource, a.result, a.reason, a.request_id, a.session_id,
         a.producer, a.sequence, a.entities, a.metadata,
         to_char(a.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp
  FROM (
    SELECT first, ids, times FROM tlog_leaves WHERE tenant_id = $1 AND first >= $2::bigint AND first < $3::bigint
  ) AS leaf
  CROSS JOIN tlog_sequencer s
  CROSS JOIN LATERAL unnest(leaf.ids, leaf.times) WITH ORDINALITY AS event (leaf_id, leaf_time, place)
  LEFT JOIN audit_log a ON a.id = leaf_id AND a.timestamp = leaf_time
  ORDER BY leaf.first, place LIMIT ${MAX_IN_RANGE}`;

type LeafRow = { index: string; time: string; unhashed: 't' | 'f' | null } & (
  ({ present: 't'; leaf_hash: Buffer | null } & StoredEvent) | { present: 'f' }
);

const BEFORE_ALL = -(2n ** 63n);
/** No tree comes so far, and arithmetic beyond is not PostgreSQL's to do. */
const BEYOND_ALL = 2n ** 62n;
const NOT_A_HASH = Buffer.alloc(HASH_BYTES);

export interface LogState {
  hasMonth: (month: string) => boolean;
  /** Some of the events that are in no leaf and should be. */
  unlogged: readonly string[];
}

/** One tenant's log in a database. Entries are made anew from the rows that the leaves name. */
export class DatabaseLog implements TenantLog {
  notedSize: number | undefined;
  private readonly tiles = new Map<string, Buffer>();

  constructor(
    private readonly query: Query,
    readonly tenant: string,
    private readonly state: LogState,
  ) {}

  async latest(): Promise<string | null> {
    const [tree] = await this.query<{ size: string; checkpoint: string }>(
      'SELECT size, checkpoint FROM tlog_trees WHERE tenant_id = $1',
      [this.tenant],
    );
    this.notedSize = Number(tree?.size ?? 0);
    return tree?.checkpoint ?? null;
  }

  async *checkpoints(): AsyncGenerator<string, void, void> {
    for (let after = String(BEFORE_ALL); ;) {
      const rows = await this.query<{ size: string; note: string }>(
        'SELECT size, note FROM tlog_checkpoints WHERE tenant_id = $1 AND size > $2 ORDER BY size LIMIT $3',
        [this.tenant, after, CHECKPOINTS],
      );
      for (const { note } of rows) yield note;
      const last = rows.at(-1);
      if (!last || rows.length < CHECKPOINTS) return;
      after = last.size;
    }
  }

  /** @param from a leaf; some of those before it come too */
  async *leaves(from = 0): AsyncGenerator<TrailLeaf[], void, void> {
    let start = await this.firstFrom(from === 0 ? BEFORE_ALL : BigInt(from) - MAX_IN_ROW + 1n);
    // The next ones are on their way while these are looked at.
    let next = start === undefined ? undefined : this.range(start);
    while (start !== undefined && next !== undefined) {
      const rows = await next;
      start = start > BEYOND_ALL ? undefined : await this.firstFrom(start + RANGE);
      next = start === undefined ? undefined : this.range(start);
      // Whoever stops reading does not wait for them.
      next?.catch(() => undefined);
      yield rows.map((row) => this.leafOf(row));
    }
  }

  async readTile({ level, index }: Tile): Promise<Buffer | undefined> {
    const key = `${level}/${index}`;
    const held = this.tiles.get(key);
    if (held) return held;
    for (const other of this.tiles.keys()) if (other.startsWith(`${level}/`)) this.tiles.delete(other);
    const rows = await this.query<{ index: string; hashes: Buffer }>(
      'SELECT index, hashes FROM tlog_tiles WHERE tenant_id = $1 AND level = $2 AND index >= $3 AND index < $3::bigint + $4',
      [this.tenant, level, index, TILES],
    );
    for (const row of rows) this.tiles.set(`${level}/${row.index}`, row.hashes);
    return this.tiles.get(key);
  }

  async *unlogged(): AsyncGenerator<string, void, void> {
    yield* this.state.unlogged;
  }

  private async firstFrom(first: bigint): Promise<bigint | undefined> {
    const [row] = await this.query<{ first: string }>(
      'SELECT first FROM tlog_leaves WHERE tenant_id = $1 AND first >= $2 ORDER BY first LIMIT 1',
      [this.tenant, String(first)],
    );
    return row && BigInt(row.first);
  }

  private async range(start: bigint): Promise<LeafRow[]> {
    if (start > BEYOND_ALL) return [{ index: String(start), time: '', unhashed: null, present: 'f' }];
    return this.query<LeafRow>(LEAVES, [this.tenant, String(start), String(start + RANGE)]);
  }

  private leafOf(row: LeafRow): TrailLeaf {
    const index = Number(row.index);
    if (row.present === 'f') {
      const month = row.time.slice(0, 7);
      return { index, month, entry: this.state.hasMonth(month) ? 'missing' : { sealed: month } };
    }
    // One that had a hash, as all have that came when there was a log, was robbed of it.
    const hash = row.leaf_hash ?? (row.unhashed === 't' ? NOT_A_HASH : undefined);
    return { index, month: String(row.timestamp).slice(0, 7), entry: entryOf(row), ...(hash && { hash }) };
  }
}

function entryOf(row: StoredEvent): Buffer | 'unreadable' {
  try {
    return leafEntry(canonicalStoredEvent(row));
  } catch (error) {
    if (error instanceof TlogError) return 'unreadable';
    throw error;
  }
}
