import type pg from 'pg';
import { type Side } from '../../side.js';

/** One logged key. */
export interface LoggedChange {
  xid: string;
  id: string;
  table: string;
  /** Empty: all rows. */
  key: string[];
}

/** A place in the log. */
export type Place = Pick<LoggedChange, 'xid' | 'id'>;

/** Two snapshots: of the side that the log is on, and of the side that is followed, where the other halves of halves end. */
export interface Moment {
  own: string;
  followed: string;
}

export const BEGINNING: Place = { xid: '0', id: '0' };

const MINE = 'service = $1 AND from_side = $2';
/** Of the halves those whose other half has been committed or rolled back; `$3` is a snapshot of the side where that happens. */
const DECIDED = '(half_of IS NULL OR pg_visible_in_snapshot(half_of, $3::pg_snapshot))';

/** One side's log of changed keys, for one stream. */
export class ChangeQueue {
  constructor(
    private readonly pool: pg.Pool,
    private readonly service: string,
    private readonly from: Side,
  ) {}

  /** The next in order, after a place, of what had ended by a moment. */
  async page(after: Place, { own, followed }: Moment, limit: number): Promise<LoggedChange[]> {
    const { rows } = await this.pool.query<LoggedChange>(
      `SELECT l.xid::text, l.id::text, l.table_name AS "table", l.key FROM decomposition.changes l
       WHERE ${MINE} AND ${DECIDED} AND pg_visible_in_snapshot(xid, $4::pg_snapshot)
         AND xid < pg_snapshot_xmax($4::pg_snapshot) AND (xid, id) > ($5::xid8, $6::bigint)
       ORDER BY l.xid, l.id LIMIT $7`,
      [this.service, this.from, followed, own, after.xid, after.id, limit],
    );
    return rows;
  }

  /** Keys of a table's halves whose other half has not ended by then. */
  async undecided(table: string, followed: string): Promise<string[][]> {
    const { rows } = await this.pool.query<{ key: string[] }>(
      `SELECT DISTINCT key FROM decomposition.changes WHERE ${MINE} AND NOT ${DECIDED} AND table_name = $4`,
      [this.service, this.from, followed, table],
    );
    return rows.map(({ key }) => key);
  }

  async now(followed: string): Promise<Moment> {
    const { rows } = await this.pool.query<{ now: string }>('SELECT pg_current_snapshot()::text AS now');
    return { own: rows[0]!.now, followed };
  }

  async pending(snapshot: string): Promise<{ count: number; seconds: number }> {
    const { rows } = await this.pool.query<{ count: number; seconds: number }>(
      `SELECT count(*)::float8 AS count,
         coalesce(greatest(extract(epoch FROM clock_timestamp() - min(at)), 0), 0)::float8 AS seconds
       FROM decomposition.changes WHERE ${MINE} AND ${DECIDED}`,
      [this.service, this.from, snapshot],
    );
    return rows[0]!;
  }

  /** Takes exactly these out, and keeps their keys for readers of changes. */
  async settle(changes: readonly LoggedChange[]): Promise<void> {
    await this.pool.query(keeping(`(xid, id) IN (SELECT * FROM unnest($3::xid8[], $4::bigint[]))`), [
      this.service,
      this.from,
      changes.map(({ xid }) => xid),
      changes.map(({ id }) => id),
    ]);
  }

  /** The same with all that is visible now. */
  async settleAll(): Promise<void> {
    await this.pool.query(keeping('true'), [this.service, this.from]);
  }

  /** For keys that were logged on the other side. */
  async keep(changes: readonly LoggedChange[]): Promise<void> {
    await this.pool.query(
      `${KEEP} SELECT DISTINCT $1, $2, t, md5(k::text), k
       FROM (SELECT c ->> 0 AS t, ARRAY(SELECT jsonb_array_elements_text(c -> 1)) AS k FROM jsonb_array_elements($3) AS c) AS kept
       ${AGAIN}`,
      [this.service, this.from, JSON.stringify(changes.map(({ table, key }) => [table, key]))],
    );
  }

  /** Takes exactly these out. */
  async drop(changes: readonly LoggedChange[]): Promise<void> {
    await this.pool.query(
      `DELETE FROM decomposition.changes WHERE ${MINE} AND (xid, id) IN (SELECT * FROM unnest($3::xid8[], $4::bigint[]))`,
      [this.service, this.from, changes.map(({ xid }) => xid), changes.map(({ id }) => id)],
    );
  }

  async dropAll(): Promise<void> {
    await this.pool.query(`DELETE FROM decomposition.changes WHERE ${MINE}`, [this.service, this.from]);
  }
}

const KEEP = 'INSERT INTO decomposition.changed_keys (service, from_side, table_name, digest, key)';
const AGAIN = `ON CONFLICT (service, from_side, table_name, digest) DO UPDATE SET xid = excluded.xid`;

const keeping = (which: string): string =>
  `WITH gone AS (DELETE FROM decomposition.changes WHERE ${MINE} AND ${which} RETURNING table_name, key)
   ${KEEP} SELECT DISTINCT $1, $2, table_name, md5(key::text), key FROM gone ${AGAIN}`;
