import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { fullName, quoted, type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { type Chain } from '../plan/plan.js';

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

  /** Follows all partitions from the positions that are kept. */
  async next(): Promise<{ rows: number; broken: Break | undefined }> {
    const { order, partition, found, gives, type } = this.parts;
    const { rows: kept } = await this.move.databases.target.query<Position>(
      'SELECT partition, position, expected FROM decomposition.chain_positions WHERE service = $1 AND chain = $2',
      [this.move.service.name, this.id],
    );
    const key = this.table.key.map(({ name }) => `${escapeIdentifier(name)}::text`);
    const { rows } = await this.pool.query<{
      rows: string;
      broken: Break | null;
      walked: Position[] | null;
    }>(
      `WITH kept AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS k (partition, position, expected)),
       links AS (
         SELECT ARRAY[${key.join(', ')}] AS key, ${partition} AS partition, ${order} AS place, ${found} AS found, ${gives} AS gives
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
         (SELECT json_agg(json_build_object('partition', partition, 'position', place::text, 'expected', gives))
          FROM judged WHERE back = 1) AS walked`,
      [kept.map((one) => one.partition), kept.map((one) => one.position), kept.map((one) => one.expected)],
    );
    this.walked = rows[0]!.walked ?? [];
    return { rows: Number(rows[0]!.rows), broken: rows[0]!.broken ?? undefined };
  }

  /** What was walked last need not be walked again. */
  async remember(): Promise<void> {
    await this.move.databases.target.query(
      `INSERT INTO decomposition.chain_positions (service, chain, partition, position, expected)
       SELECT $1, $2, w.partition, w.position, w.expected
       FROM json_to_recordset($3) AS w (partition text, position text, expected text)
       ON CONFLICT (service, chain, partition) DO UPDATE SET position = excluded.position, expected = excluded.expected`,
      [this.move.service.name, this.id, JSON.stringify(this.walked)],
    );
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
