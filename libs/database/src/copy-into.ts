import { type ClientBase } from 'pg';
import { copyChunks, type CopyColumns, type CopyRow } from './copy-binary.js';
import { CopyIn, type CopyStatement } from './copy-in.js';

/** A table, with its columns in the order in which rows give their values. */
export interface CopyTarget {
  table: string;
  columns: CopyColumns;
}

/** Rows for one table. */
export interface CopyPart {
  target: CopyTarget;
  rows: Iterable<CopyRow>;
}

/**
 * Writes rows with one COPY ... FROM STDIN (FORMAT binary): all of them or none. They are encoded while PostgreSQL works on those
 * before them, so they must not change until it is done.
 *
 * @returns the number of rows written
 * @throws pg.DatabaseError as PostgreSQL reports it, TypeError or RangeError for a value that does not fit its column; the connection is
 * usable afterwards
 */
export async function copyInto(client: ClientBase, target: CopyTarget, rows: Iterable<CopyRow>): Promise<number> {
  if (Array.isArray(rows) && rows.length === 0) return 0;
  const [count = 0] = await copyIntoAll(client, [{ target, rows }]);
  return count;
}

/** The same for several tables, in one transaction and one round trip: all rows of all tables, or none. @returns rows of each */
export function copyIntoAll(client: ClientBase, parts: readonly CopyPart[]): Promise<number[]> {
  return client.query(new CopyIn(parts.map(statementOf))).done;
}

function statementOf({ target, rows }: CopyPart): CopyStatement {
  const columns = Object.keys(target.columns).map((column) => `"${column}"`);
  return {
    sql: `COPY ${target.table} (${columns.join(', ')}) FROM STDIN (FORMAT binary)`,
    chunks: copyChunks(target.columns, rows),
  };
}
