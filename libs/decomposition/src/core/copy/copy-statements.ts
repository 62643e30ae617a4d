import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { fullName, quoted, writable, type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';

export type CopyFormat = 'binary' | 'text';

export interface CopyStatements {
  out: string;
  in: string;
}

/** The rows of one side's table for which a condition holds, and where they go on the other: into that table, unless told. */
export function copyStatements(
  table: Table,
  condition: string,
  format: CopyFormat,
  into: string = quoted(table),
): CopyStatements {
  const columns = writable(table)
    .map(({ name }) => escapeIdentifier(name))
    .join(', ');
  return {
    out: `COPY (SELECT ${columns} FROM ${quoted(table)} WHERE ${condition}) TO STDOUT (FORMAT ${format})`,
    in: `COPY ${into} (${columns}) FROM STDIN (FORMAT ${format})`,
  };
}

/** PostgreSQL's own; those made in a database have numbers from here on, and others in another database. */
const FIRST_OF_A_DATABASE = 16_384;

/**
 * How each table travels, by full name. Binary spares both servers work, and is understood by a server of the same major version.
 * It has object ids in it for rows, and for arrays of types that are a database's own, and in place of names (`regclass`): such tables
 * travel as text.
 */
export async function copyFormats(
  { databases }: Pick<Move, 'databases'>,
  tables: readonly Table[],
): Promise<Map<string, CopyFormat>> {
  const [source, target] = await Promise.all([major(databases.source), major(databases.target)]);
  const { rows } = await databases.source.query<{ name: string; portable: boolean }>(
    `WITH RECURSIVE base AS (
       SELECT w.name, t.oid, t.typtype, t.typbasetype
       FROM unnest($1::oid[], $2::text[]) AS w (oid, name)
       JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
       UNION ALL
       SELECT b.name, t.oid, t.typtype, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
     )
     SELECT name, bool_and(typtype IN ('d', 'e') OR
       oid < ${FIRST_OF_A_DATABASE} AND typtype <> 'c' AND format_type(oid, NULL) NOT LIKE 'reg%') AS portable
     FROM base GROUP BY name`,
    [tables.map(({ oid }) => oid), tables.map(fullName)],
  );
  return new Map(rows.map(({ name, portable }) => [name, portable && source === target ? 'binary' : 'text']));
}

async function major(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ major: number }>(
    `SELECT current_setting('server_version_num')::int / 10000 AS major`,
  );
  return rows[0]!.major;
}
