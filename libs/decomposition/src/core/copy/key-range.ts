import { escapeIdentifier, escapeLiteral } from 'pg';
import { type Table } from '../catalogue/table.js';

/** Keys after `low`, up to and with `high`; null is the end. Keys are the texts of the key's columns. */
export interface KeyRange {
  low: readonly string[] | null;
  high: readonly string[] | null;
}

type Keyed = Pick<Table, 'key'>;

/** `("a", "b")`: compares as PostgreSQL's rows do, in the order of the key's index. */
export function keyColumns({ key }: Keyed): string {
  return `(${key.map(({ name }) => escapeIdentifier(name)).join(', ')})`;
}

/** A key as SQL: `('1'::integer, 'x'::text)`. COPY takes no parameters. */
export function keyLiteral({ key }: Keyed, texts: readonly string[]): string {
  return `(${key.map(({ type }, place) => `${escapeLiteral(texts[place]!)}::${type}`).join(', ')})`;
}

/** An array of the texts of the key's columns. */
export function keyTexts({ key }: Keyed): string {
  return `ARRAY[${key.map(({ name }) => `${escapeIdentifier(name)}::text`).join(', ')}]`;
}

export function inRange(table: Keyed, { low, high }: KeyRange): string {
  const terms = [
    ...(low ? [`${keyColumns(table)} > ${keyLiteral(table, low)}`] : []),
    ...(high ? [`${keyColumns(table)} <= ${keyLiteral(table, high)}`] : []),
  ];
  return terms.length > 0 ? terms.join(' AND ') : 'true';
}

export function isOneOf(table: Keyed, keys: readonly (readonly string[])[]): string {
  return `${keyColumns(table)} IN (${keys.map((key) => keyLiteral(table, key)).join(', ')})`;
}
