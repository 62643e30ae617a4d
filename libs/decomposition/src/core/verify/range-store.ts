import type pg from 'pg';
import { type Side } from '../side.js';
import { type Comparison } from './comparison.js';
import { type Key, type KeyRange } from './key-range.js';

/** A range that was found equal. */
export interface EqualRange extends KeyRange {
  place: number;
  rows: number;
  versions: Record<Side, string>;
}

/** What was found equal, in decomposition.ranges of the target. Ranges of a table never overlap; between them is what was not. */
export class RangeStore {
  private constructor(
    private readonly target: pg.Pool,
    private readonly service: string,
    private nextPlace: number,
  ) {}

  static async open(target: pg.Pool, service: string): Promise<RangeStore> {
    const { rows } = await target.query<{ next: number }>(
      'SELECT coalesce(max(place), 0) + 1 AS next FROM decomposition.ranges WHERE service = $1',
      [service],
    );
    return new RangeStore(target, service, rows[0]!.next);
  }

  /** In the order of their keys. */
  async load(comparison: Comparison): Promise<EqualRange[]> {
    const order = highest(comparison).map((column) => `${column} NULLS LAST`);
    const { rows } = await this.target.query<Omit<EqualRange, 'rows'> & { rows: string }>(
      `SELECT place, low, high, rows, json_build_object('source', source_versions, 'target', target_versions) AS versions
       FROM decomposition.ranges WHERE service = $1 AND table_name = $2 AND NOT stale ORDER BY ${order.join(', ')}`,
      [this.service, comparison.name],
    );
    return rows.map((row) => ({ ...row, rows: Number(row.rows) }));
  }

  async add(
    { name }: Comparison,
    range: KeyRange,
    found: { rows: number; hash: string; versions: Readonly<Record<Side, string>> },
    at: Date,
  ): Promise<void> {
    await this.target.query(
      `INSERT INTO decomposition.ranges
         (service, table_name, place, low, high, rows, hash, verified_at, source_versions, target_versions)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        ...[this.service, name, this.nextPlace++, range.low, range.high, found.rows, found.hash, at],
        ...[found.versions.source, found.versions.target],
      ],
    );
  }

  /** @param places undefined for all of the table */
  async remove(table: string, places?: readonly number[]): Promise<void> {
    await this.target.query(
      `DELETE FROM decomposition.ranges WHERE service = $1 AND table_name = $2 AND ($3::int[] IS NULL OR place = ANY ($3))`,
      [this.service, table, places ?? null],
    );
  }

  async removeStale(table: string): Promise<void> {
    await this.target.query('DELETE FROM decomposition.ranges WHERE service = $1 AND table_name = $2 AND stale', [
      this.service,
      table,
    ]);
  }

  async markAll(table: string): Promise<void> {
    await this.target.query('UPDATE decomposition.ranges SET stale = true WHERE service = $1 AND table_name = $2', [
      this.service,
      table,
    ]);
  }

  /**
   * Marks the ranges that hold the keys. Keys and ends of ranges are sorted together; a key belongs to the first range whose end is not
   * before it. One that lies between ranges also marks the next one, which does no harm.
   */
  async markKeys(comparison: Comparison, keys: readonly Key[]): Promise<void> {
    const columns = comparison.key.map((_, index) => `k${index + 1}`);
    const arrays = columns.map((_, index) => `$${index + 3}::text[]`);
    const typed = comparison.key.map(
      ({ type }, index) => `(${columns[index]}::${type})${comparison.collations[index]} AS ${columns[index]}`,
    );
    const order = columns.map((column) => `${column} NULLS LAST`).join(', ');
    await this.target.query(
      `WITH own AS (SELECT * FROM decomposition.ranges WHERE service = $1 AND table_name = $2),
       points AS (
         SELECT place, ${highest(comparison)
           .map((column, index) => `${column} AS ${columns[index]}`)
           .join(', ')} FROM own WHERE high IS NOT NULL
         UNION ALL
         SELECT NULL, ${typed.join(', ')} FROM unnest(${arrays.join(', ')}) AS k (${columns.join(', ')})
       ),
       counted AS (SELECT place, count(place) OVER (ORDER BY ${order}, place NULLS FIRST) AS before FROM points),
       ends AS (
         SELECT place, before AS number FROM counted WHERE place IS NOT NULL
         UNION ALL SELECT place, (SELECT count(*) + 1 FROM own WHERE high IS NOT NULL) FROM own WHERE high IS NULL
       )
       UPDATE decomposition.ranges r SET stale = true
       FROM ends e JOIN (SELECT DISTINCT before + 1 AS number FROM counted WHERE place IS NULL) hit USING (number)
       WHERE r.service = $1 AND r.table_name = $2 AND r.place = e.place AND NOT r.stale`,
      [this.service, comparison.name, ...comparison.key.map((_, index) => keys.map((key) => key[index]!))],
    );
  }
}

/** @returns SQL for the ends of ranges, as values that sort like the key */
function highest({ key, collations }: Comparison): string[] {
  return key.map(({ type }, index) => `((high)[${index + 1}]::${type})${collations[index]}`);
}
