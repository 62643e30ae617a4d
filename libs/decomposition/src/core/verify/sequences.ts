import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { parseTableName, quoted, type Table } from '../catalogue/table.js';

/** A sequence that numbers a column. */
export interface ColumnSequence {
  /** As SQL has it, with its schema. */
  name: string;
  /** Full name. */
  table: string;
  column: string;
  /** The last number that was given out; the one before the first where none was. */
  position: bigint;
  increment: bigint;
  /** Begins again at its end: ahead and behind mean nothing. */
  cycles: boolean;
  /** The furthest number in the column, in the direction of the sequence. Null when there is none, or finding it would take long. */
  furthest: bigint | null;
}

/** Of identities, of serials, and of whatever else a column's default calls. */
const SEQUENCES = `
  SELECT format('%I.%I', n.nspname, s.relname) AS name, tn.nspname || '.' || t.relname AS "table", a.attname AS "column",
    q.seqincrement::text AS increment, q.seqcycle AS cycles,
    format_type(a.atttypid, NULL) IN ('smallint', 'integer', 'bigint') AND (
      EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indkey[0] = a.attnum AND i.indisvalid)
      OR t.relkind = 'r' AND pg_relation_size(t.oid) < $2) AS quick
  FROM (
    SELECT objid AS sequence, refobjid AS relation, refobjsubid AS number FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
    WHERE d.refclassid = 'pg_class'::regclass
  ) used
  JOIN pg_class s ON s.oid = used.sequence AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_sequence q ON q.seqrelid = s.oid
  JOIN pg_class t ON t.oid = used.relation JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = used.number
  WHERE t.oid = ANY ($1) ORDER BY 2, 3, 1`;

/** A column that no index leads is looked through only in a table up to this size. */
const QUICK_BYTES = 16 * 1024 ** 2;

/** Reads the sequences of the tables, each with its position; the column first, because numbers are taken before they are written. */
export async function readSequences(
  database: pg.Pool | pg.ClientBase,
  tables: readonly Table[],
): Promise<ColumnSequence[]> {
  const { rows } = await database.query<{
    name: string;
    table: string;
    column: string;
    increment: string;
    cycles: boolean;
    quick: boolean;
  }>(SEQUENCES, [tables.map(({ oid }) => oid), QUICK_BYTES]);
  const found: ColumnSequence[] = [];
  for (const { quick, increment: text, ...row } of rows) {
    const increment = BigInt(text);
    const furthest = quick && !row.cycles ? await furthestIn(database, row, increment > 0n ? 'max' : 'min') : null;
    const { rows: at } = await database.query<{ last: string; called: boolean }>(
      `SELECT last_value AS last, is_called AS called FROM ${row.name}`,
    );
    const last = BigInt(at[0]!.last);
    found.push({ ...row, increment, furthest, position: at[0]!.called ? last : last - increment });
  }
  return found;
}

async function furthestIn(
  database: pg.Pool | pg.ClientBase,
  { table, column }: { table: string; column: string },
  aggregate: 'max' | 'min',
): Promise<bigint | null> {
  const { rows } = await database.query<{ value: string | null }>(
    `SELECT ${aggregate}(${escapeIdentifier(column)})::text AS value FROM ${quoted(parseTableName(table))}`,
  );
  const value = rows[0]?.value ?? null;
  return value === null ? null : BigInt(value);
}

/** Whether a sequence at `position` has yet to come to `other`. */
export function isBehind({ increment }: Pick<ColumnSequence, 'increment'>, position: bigint, other: bigint): boolean {
  return increment > 0n ? position < other : position > other;
}

/** The one that numbers the same column on the other side. */
export function counterpart(of: ColumnSequence, others: readonly ColumnSequence[]): ColumnSequence | undefined {
  return others.find(({ table, column }) => table === of.table && column === of.column);
}
