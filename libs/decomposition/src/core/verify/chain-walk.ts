import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { fullName, quoted, type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { type Chain } from '../plan/plan.js';
import { VERSIONS } from './hash-range.js';

export interface Break {
  key: string[];
  partition: string | null;
  position: string;
  found: string | null;
  expected: string | null;
}

/** How far a partition was followed, and what its next row has to name. */
interface Position {
  partition: string;
  position: string;
  expected: string | null;
  /** How many rows that was, and their versions, as numbers. */
  rows: string;
  versions: string;
}

/** One chain of the plan. The text of a partition is kept behind a `=`, so that an empty one is not taken for none. */
export class ChainWalk {
  private walked: Position[] = [];
  private readonly id: string;
  private readonly parts: { order: string; partition: string; found: string; gives: string; type: string };
  /** The column that names the row before. */
  readonly names: string;

  constructor(
    private readonly move: Move,
    private readonly pool: pg.Pool,
    private readonly table: Table,
    private readonly chain: Chain,
  ) {
    const { partition } = chain;
    const partitionText = partition ? `coalesce('=' || ${escapeIdentifier(partition)}::text, '')` : `''`;
    if (chain.kind === 'links') {
      this.names = chain.previous;
      this.parts = {
        order: escapeIdentifier(chain.order),
        partition: partitionText,
        found: `${escapeIdentifier(chain.previous)}::text`,
        gives: `${escapeIdentifier(chain.hash)}::text`,
        type: this.typeOf(chain.order),
      };
    } else {
      this.names = chain.first;
      const [first, items] = [escapeIdentifier(chain.first), escapeIdentifier(chain.items)];
      const itemsType = this.typeOf(chain.items);
      const length = /^jsonb?$/.test(itemsType) ? `${itemsType}_array_length(${items})` : `cardinality(${items})`;
      this.parts = {
        order: first,
        partition: partitionText,
        found: `${first}::text`,
        gives: `(${first} + ${length})::text`,
        type: this.typeOf(chain.first),
      };
    }
    this.id = `${chain.kind}:${fullName(table)}.${this.names}`;
  }

  async forget(): Promise<void> {
    await this.move.databases.target.query(
      'DELETE FROM decomposition.chain_positions WHERE service = $1 AND chain = $2',
      [this.move.service.name, this.id],
    );
    this.walked = [];
  }

  /** Follows all partitions from the positions that are kept; from their beginning where something has written behind those. */
  async next(): Promise<{ rows: number; broken: Break | undefined }> {
    const { order, partition, found, gives, type } = this.parts;
    const kept = await this.untouched();
    const key = this.table.key.map(({ name }) => `${escapeIdentifier(name)}::text`);
    const { rows } = await this.pool.query<{
      rows: string;
      broken: Break | null;
      walked: Position[] | null;
    }>(
      `WITH kept AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS k (partition, position, expected)),
       links AS (
         SELECT ARRAY[${key.join(', ')}] AS key, ${partition} AS partition, ${order} AS place, ${found} AS found, ${gives} AS gives, xmin
         FROM ${quoted(this.table)}
       ),
       new AS (
         SELECT l.*, k.partition IS NOT NULL AS continues, k.expected AS kept FROM links l LEFT JOIN kept k USING (partition)
         WHERE k.position IS NULL OR l.place > k.position::${type}
       ),
       followed AS (
         SELECT *, row_number() OVER w AS number, lag(gives) OVER w AS before, row_number() OVER (PARTITION BY partition ORDER BY place DESC) AS back
         FROM new WINDOW w AS (PARTITION BY partition ORDER BY place)
       ),
       judged AS (
         SELECT *, CASE WHEN number > 1 THEN found IS DISTINCT FROM before
           WHEN continues THEN found IS DISTINCT FROM kept ELSE false END AS breaks FROM followed
       )
       SELECT (SELECT count(*) FROM judged) AS rows,
         (SELECT json_build_object('key', key, 'partition', nullif(substr(partition, 2), ''), 'position', place::text,
            'found', found, 'expected', CASE WHEN number > 1 THEN before ELSE kept END)
          FROM judged WHERE breaks ORDER BY partition, place LIMIT 1) AS broken,
         (SELECT json_agg(w) FROM (
            SELECT partition, max(place::text) FILTER (WHERE back = 1) AS position, max(gives) FILTER (WHERE back = 1) AS expected,
              count(*)::text AS rows, (${VERSIONS})::text AS versions
            FROM judged GROUP BY partition) w) AS walked`,
      [kept.map((one) => one.partition), kept.map((one) => one.position), kept.map((one) => one.expected)],
    );
    const before = new Map(kept.map((one) => [one.partition, one]));
    const plus = (one: string, other = '0'): string => String(BigInt(one) + BigInt(other));
    this.walked = (rows[0]!.walked ?? []).map((one) => ({
      ...one,
      rows: plus(one.rows, before.get(one.partition)?.rows),
      versions: plus(one.versions, before.get(one.partition)?.versions),
    }));
    return { rows: Number(rows[0]!.rows), broken: rows[0]!.broken ?? undefined };
  }

  /** What was walked last need not be walked again. */
  async remember(): Promise<void> {
    await this.move.databases.target.query(
      `INSERT INTO decomposition.chain_positions (service, chain, partition, position, expected, rows, versions)
       SELECT $1, $2, w.partition, w.position, w.expected, w.rows, w.versions
       FROM json_to_recordset($3) AS w (partition text, position text, expected text, rows bigint, versions numeric)
       ON CONFLICT (service, chain, partition) DO UPDATE SET position = excluded.position, expected = excluded.expected,
         rows = excluded.rows, versions = excluded.versions`,
      [this.move.service.name, this.id, JSON.stringify(this.walked)],
    );
  }

  /** The positions that are kept, without those that something has written behind: they are forgotten. */
  private async untouched(): Promise<Position[]> {
    const { partition, order, type } = this.parts;
    const { target } = this.move.databases;
    const { rows: kept } = await target.query<Position>(
      `SELECT partition, position, expected, rows::text AS rows, versions::text AS versions
       FROM decomposition.chain_positions WHERE service = $1 AND chain = $2`,
      [this.move.service.name, this.id],
    );
    if (kept.length === 0) return [];
    const { rows: now } = await this.pool.query<{ partition: string; rows: string; versions: string }>(
      `SELECT k.partition, count(*)::text AS rows, (${VERSIONS})::text AS versions
       FROM (SELECT ${partition} AS partition, ${order} AS place, xmin FROM ${quoted(this.table)}) l
       JOIN unnest($1::text[], $2::text[]) AS k (partition, position)
         ON l.partition = k.partition AND l.place <= k.position::${type}
       GROUP BY k.partition`,
      [kept.map((one) => one.partition), kept.map((one) => one.position)],
    );
    const same = new Map(now.map((one) => [one.partition, one]));
    const touched = kept.filter((one) => {
      const { rows, versions } = same.get(one.partition) ?? { rows: '0', versions: '0' };
      return one.rows !== rows || one.versions !== versions;
    });
    if (touched.length > 0)
      await target.query(
        'DELETE FROM decomposition.chain_positions WHERE service = $1 AND chain = $2 AND partition = ANY ($3)',
        [this.move.service.name, this.id, touched.map((one) => one.partition)],
      );
    return kept.filter((one) => !touched.includes(one));
  }

  sentence({ key, partition, position, found, expected }: Break): string {
    const where = this.chain.partition
      ? ` of ${this.chain.partition} ${partition === null ? 'NULL' : `'${partition}'`}`
      : '';
    const shown = (text: string | null): string => (text === null ? 'NULL' : `'${text}'`);
    return this.chain.kind === 'links'
      ? `The chain${where} breaks at row ${key.join('/')} (${this.chain.order} ${position}): ${this.names} is ${shown(found)}, and the row before it has ${this.chain.hash} ${shown(expected)}.`
      : `The run${where} breaks at row ${key.join('/')}: ${this.names} is ${shown(found)}, and the rows before it end at ${shown(expected)}.`;
  }

  private typeOf(column: string): string {
    return this.table.columns.find(({ name }) => name === column)?.type ?? 'text';
  }
}
