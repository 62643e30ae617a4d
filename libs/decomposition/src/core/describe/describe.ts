import type pg from 'pg';
import { fullName, parseTableName } from '../catalogue/table.js';
import * as constraints from './constraints-sql.js';
import { readDependencies } from './read-dependencies.js';
import { readObjects, readRelations } from './read-relations.js';
import { type Description, type SchemaObject } from './schema-object.js';
import { SEQUENCE_OWNERS, SEQUENCE_POSITIONS } from './sequences-sql.js';
import * as tables from './tables-sql.js';

export interface SequenceName {
  schema: string;
  name: string;
}

export interface FullDescription extends Description {
  /** Those that columns own, or that defaults name. */
  sequences: readonly SequenceName[];
  /** Signatures, as SQL has them. */
  functions: readonly string[];
}

/**
 * What tables are made of, as SQL that makes them elsewhere, read from the catalogue with PostgreSQL's own functions. Tables that are
 * not there are left out.
 *
 * @param names of tables, as in a plan
 * @param roles that row-level security's policies may speak of
 * @param also what counts if it is there, although nothing needs it yet, such as the function of a trigger that is made later
 */
export async function describe(
  pool: pg.Pool,
  names: readonly string[],
  roles: readonly string[],
  also: readonly SchemaObject[] = [],
): Promise<FullDescription> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    const description = await describeWithin(client, names, roles, also);
    await client.query('COMMIT');
    client.release();
    return description;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** The same in a transaction that has begun. Its search_path is changed: so all names are read with their schema. */
export async function describeWithin(
  client: pg.ClientBase,
  names: readonly string[],
  roles: readonly string[],
  also: readonly SchemaObject[] = [],
): Promise<FullDescription> {
  await client.query('SET LOCAL search_path = pg_catalog');
  const { relations, odd } = await readRelations(
    client,
    names.map((text) => fullName(parseTableName(text))),
  );
  const oids = relations.map(({ oid }) => oid);
  const dependencies = await readDependencies(client, oids, also);
  const read = (sql: string): Promise<SchemaObject[]> => readObjects(client, sql, [oids]);
  const columns = await client.query<SchemaObject & { sequence: string | null }>(tables.COLUMNS, [oids]);
  const objects: SchemaObject[] = [...dependencies.objects];
  for (const head of await read(tables.TABLES)) {
    const own = columns.rows.filter(({ table }) => table === head.table);
    const list = own.map(({ text, sequence }) => text.replace('AS IDENTITY (', `AS IDENTITY (${sequence ?? ''}`));
    objects.push({ ...head, make: `${head.make} (\n  ${list.join(',\n  ')}\n)${head.text}` });
    for (const { name, text } of own) objects.push({ ...head, kind: 'column', name, text, make: null });
  }
  for (const sql of [tables.PARTITIONS, tables.PARTITION_COLUMNS, tables.STORAGE]) objects.push(...(await read(sql)));
  objects.push(...(await readObjects(client, SEQUENCE_OWNERS, [dependencies.sequences, oids])), ...dependencies.late);
  for (const sql of [constraints.CONSTRAINTS, constraints.ROW_SECURITY]) objects.push(...(await read(sql)));
  objects.push(...(await readObjects(client, constraints.POLICIES, [oids, roles])));
  for (const sql of [constraints.REPLICA_IDENTITIES, tables.COMMENTS, constraints.INDEXES, constraints.STATISTICS])
    objects.push(...(await read(sql)));
  for (const sql of [constraints.VALIDATIONS, constraints.TRIGGERS]) objects.push(...(await read(sql)));
  const sequences = await client.query<SequenceName>(SEQUENCE_POSITIONS, [dependencies.sequences]);
  const functions = await client.query<{ name: string }>(
    'SELECT oid::regprocedure::text AS name FROM unnest($1::oid[]) oid ORDER BY 1',
    [dependencies.functions],
  );
  return {
    relations,
    objects: inOrder(objects),
    problems: [
      ...odd.map((name) => `${name} is a foreign or typed table, or inherits: it does not travel`),
      ...dependencies.problems,
    ],
    sequences: sequences.rows,
    functions: functions.rows.map(({ name }) => name),
  };
}

const LATER = [
  'not null',
  'unique',
  'exclusion',
  'index',
  'statistics',
  'replica identity',
  'foreign key',
  'validation',
  'check',
  'trigger',
];

/** What is deferred, after all else, and foreign keys after the unique constraints that they need. */
function inOrder(objects: readonly SchemaObject[]): SchemaObject[] {
  const later = objects.filter(({ deferred }) => deferred);
  return [
    ...objects.filter(({ deferred }) => !deferred),
    ...LATER.flatMap((kind) => later.filter((object) => object.kind === kind)),
  ];
}
