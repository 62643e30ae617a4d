import { setTimeout as sleep } from 'node:timers/promises';
import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { readTables } from '../catalogue/read-tables.js';
import { fullName, parseTableName, quoted, type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { type Findings } from './findings.js';
import { softReferences, type SoftReference } from './soft-references.js';
import { TablePlaces } from './table-places.js';

const BATCH_VALUES = 5000;
const SETTLE_ROUNDS = 3;
const SETTLE_MS = 200;
const SHOWN_VALUE = 80;

export interface ReferenceCheck {
  checked: number;
  values: number;
  dangling: number;
}

type Value = readonly string[];

/**
 * Looks whether what the service's rows refer to is where it lives now. A value that is not there is looked for again: the row that
 * refers to it has to be there before and after, so that two deletions under way are not taken for a loss.
 */
export async function checkReferences(move: Move, leader: Side, findings: Findings): Promise<ReferenceCheck> {
  const places = new TablePlaces(move, leader);
  const result = { checked: 0, values: 0, dangling: 0 };
  try {
    for (const reference of await softReferences(move)) {
      const [from, to] = await Promise.all([places.of(reference.from), places.of(reference.to)]);
      const tables = await bothTables(reference, from, to);
      if (typeof tables === 'string') {
        await findings.add([{ table: reference.from, key: null, kind: 'reference', detail: tables }]);
        result.dangling++;
        continue;
      }
      result.checked++;
      for await (const values of distinctValues(from, reference, move.signal)) {
        result.values += values.length;
        const missing = await notThere(to, reference, tables.to, values);
        if (missing.length === 0) continue;
        const dangling = await settleMissing({ from, to }, reference, tables, missing, move.signal);
        result.dangling += dangling.length;
        await findings.add(
          dangling.map(({ value, key, rows }) => ({
            table: reference.from,
            key,
            kind: 'reference',
            detail: sentence(reference, value, rows),
            columns: reference.fromColumns,
          })),
        );
      }
    }
  } finally {
    await places.close();
  }
  return result;
}

function sentence({ fromColumns, to, toColumns }: SoftReference, value: Value, rows: number): string {
  const texts = value.map((text) => `'${text.slice(0, SHOWN_VALUE)}'`).join(', ');
  const others = rows > 1 ? `, as do ${rows - 1} more rows` : '';
  return `${fromColumns.join(', ')} refers to ${texts}${others}; ${to} has no row with that ${toColumns.join(', ')}.`;
}

interface Tables {
  from: Table;
  to: Table;
}

/** @returns what is missing, as a sentence */
async function bothTables(
  { from, to, fromColumns, toColumns }: SoftReference,
  fromPool: pg.Pool,
  toPool: pg.Pool,
): Promise<Tables | string> {
  const find = async (pool: pg.Pool, name: string): Promise<Table | undefined> => (await readTables(pool, [name]))[0];
  const [one, other] = await Promise.all([find(fromPool, from), find(toPool, to)]);
  for (const [name, table, columns] of [[from, one, fromColumns] as const, [to, other, toColumns] as const]) {
    if (!table) return `${from} refers to ${to}, and there is no table ${name} where it should live.`;
    const missing = columns.find((column) => !table.columns.some((known) => known.name === column));
    if (missing) return `${from} refers to ${to}, and ${name} has no column ${missing}.`;
  }
  return { from: one!, to: other! };
}

async function* distinctValues(
  pool: pg.Pool,
  { from, fromColumns }: SoftReference,
  signal: AbortSignal,
): AsyncGenerator<Value[]> {
  const names = fromColumns.map(escapeIdentifier);
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query('BEGIN READ ONLY');
    await client.query(
      `DECLARE seen NO SCROLL CURSOR FOR SELECT DISTINCT ARRAY[${names.map((name) => `${name}::text`).join(', ')}] AS value
       FROM ${quoted(parseTableName(from))} WHERE ${names.map((name) => `${name} IS NOT NULL`).join(' AND ')}`,
    );
    for (;;) {
      signal.throwIfAborted();
      const { rows } = await client.query<{ value: string[] }>(`FETCH ${BATCH_VALUES} FROM seen`);
      if (rows.length > 0) yield rows.map(({ value }) => value);
      if (rows.length < BATCH_VALUES) break;
    }
    await client.query('COMMIT');
    broken = false;
  } finally {
    client.release(broken);
  }
}

async function notThere(
  pool: pg.Pool,
  { toColumns }: SoftReference,
  table: Table,
  values: readonly Value[],
): Promise<Value[]> {
  const { rows } = await pool.query<{ place: string }>(
    `SELECT asked.place FROM ${asking(toColumns)}
     WHERE NOT EXISTS (SELECT FROM ${quoted(table)} t WHERE ${matching(table, toColumns)}) ORDER BY 1`,
    toColumns.map((_, index) => values.map((value) => value[index])),
  );
  return rows.map(({ place }) => values[Number(place) - 1]!);
}

interface Dangling extends Referring {
  value: Value;
}

async function settleMissing(
  { from, to }: { from: pg.Pool; to: pg.Pool },
  reference: SoftReference,
  tables: Tables,
  missing: readonly Value[],
  signal: AbortSignal,
): Promise<Dangling[]> {
  const held = async (values: readonly Value[]): Promise<Dangling[]> => {
    const found = await referring(from, reference, tables.from, values);
    return values.flatMap((value, place) => (found.has(place) ? [{ value, ...found.get(place)! }] : []));
  };
  let open = await held(missing);
  for (let round = 0; round < SETTLE_ROUNDS && open.length > 0; round++) {
    if (round > 0) await sleep(SETTLE_MS, undefined, { signal });
    open = await held(
      await notThere(
        to,
        reference,
        tables.to,
        open.map(({ value }) => value),
      ),
    );
  }
  return open;
}

interface Referring {
  /** Of one of them. */
  key: string[];
  rows: number;
}

/** @returns by the place of the value: the rows that hold it */
async function referring(
  pool: pg.Pool,
  { fromColumns }: SoftReference,
  table: Table,
  values: readonly Value[],
): Promise<Map<number, Referring>> {
  const key = table.key.map(({ name }) => `t.${escapeIdentifier(name)}::text`);
  const { rows } = await pool.query<{ place: string; key: string[]; rows: string }>(
    `SELECT asked.place, min(ARRAY[${key.join(', ')}]::text[]) AS key, count(*) AS rows
     FROM ${asking(fromColumns)} JOIN ${quoted(table)} t ON ${matching(table, fromColumns)} GROUP BY asked.place`,
    fromColumns.map((_, index) => values.map((value) => value[index])),
  );
  return new Map(rows.map(({ place, key, rows }) => [Number(place) - 1, { key, rows: Number(rows) }]));
}

/** @returns SQL: the values of $1, $2 and so on as `asked` */
function asking(columns: readonly string[]): string {
  const names = columns.map((_, index) => `k${index + 1}`);
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`);
  return `unnest(${arrays.join(', ')}) WITH ORDINALITY AS asked (${names.join(', ')}, place)`;
}

function matching(table: Table, columns: readonly string[]): string {
  return columns
    .map((column, index) => `t.${escapeIdentifier(column)} = asked.k${index + 1}::${typeOf(table, column)}`)
    .join(' AND ');
}

function typeOf(table: Table, column: string): string {
  const found = table.columns.find(({ name }) => name === column);
  if (!found) throw new Error(`${fullName(table)} has no column ${column}`);
  return found.type;
}
