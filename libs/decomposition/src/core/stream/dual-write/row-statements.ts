import { escapeIdentifier } from 'pg';
import { quoted, type Column, type Table } from '../../catalogue/table.js';

/** A row as texts: its key, and its writable columns in an order that both sides share. */
export interface RowText {
  key: string[];
  values: (string | null)[];
}

/** The statements for one table on one side. Parameters are arrays of texts, one per column. */
export interface RowStatements {
  /** Rows of given keys, each with `place`, the number of the key that it was found by. */
  read: string;
  /** The places of those of given keys whose rows are free, and are kept so. */
  lock: string;
  remove: string;
  /** Gives back the keys of rows that were put in; those that a unique index refuses are not. */
  insert: string;
  /** Keys in order, at most `limit`; `after` takes a key's columns as parameters. */
  firstKeys: (limit: number) => string;
  keysAfter: (limit: number) => string;
}

/** @param columns names, in the order of `RowText.values` */
export function rowStatements(table: Table, columns: readonly string[]): RowStatements {
  const name = quoted(table);
  const written = columns.map((wanted) => table.columns.find((column) => column.name === wanted)!);
  const keyTexts = `ARRAY[${table.key.map(asText).join(', ')}] AS key`;
  const asked = unnested(table.key);
  const matches = table.key.map((key, i) => `t.${id(key)} = u.c${i}::${key.type}`).join(' AND ');
  const order = table.key.map((key) => `t.${id(key)}`).join(', ');
  const page = (limit: number): string => `ORDER BY ${order} LIMIT ${limit}`;
  const beyond = table.key.map((key, i) => `$${i + 1}::text::${key.type}`).join(', ');
  return {
    read: `SELECT u.place::int4 - 1 AS place, ${keyTexts}, ARRAY[${written.map(asText).join(', ')}] AS values
      FROM ${asked} JOIN ${name} t ON ${matches}`,
    lock: `SELECT u.place::int4 - 1 AS place FROM ${asked} JOIN ${name} t ON ${matches} FOR UPDATE OF t SKIP LOCKED`,
    remove: `DELETE FROM ${name} t USING ${asked} WHERE ${matches}`,
    insert: `INSERT INTO ${name} AS t (${written.map(id).join(', ')}) OVERRIDING SYSTEM VALUE
      SELECT ${written.map(({ type }, i) => `u.c${i}::${type}`).join(', ')} FROM ${unnested(written)}
      ON CONFLICT DO NOTHING RETURNING ${keyTexts}`,
    firstKeys: (limit) => `SELECT ${keyTexts} FROM ${name} t ${page(limit)}`,
    keysAfter: (limit) => `SELECT ${keyTexts} FROM ${name} t WHERE (${order}) > (${beyond}) ${page(limit)}`,
  };
}

/** Rows of texts as one parameter per column. */
export function byColumn(rows: readonly (readonly (string | null)[])[], width: number): (string | null)[][] {
  return Array.from({ length: width }, (_, column) => rows.map((row) => row[column] ?? null));
}

function unnested(columns: readonly Column[]): string {
  const arrays = columns.map((_, i) => `$${i + 1}::text[]`);
  return `unnest(${arrays.join(', ')}) WITH ORDINALITY AS u (${columns.map((_, i) => `c${i}`).join(', ')}, place)`;
}

function asText(column: Column): string {
  return `t.${id(column)}::text`;
}

function id({ name }: Column): string {
  return escapeIdentifier(name);
}
