import type pg from 'pg';
import { COLLATIONS, EXTENSIONS, FUNCTIONS, NEEDED, SCHEMAS, TYPES } from './dependencies-sql.js';
import { readObjects } from './read-relations.js';
import { type SchemaObject } from './schema-object.js';
import { SEQUENCES } from './sequences-sql.js';

interface Needed {
  class: string;
  oid: number;
  described: string;
}

interface Callable {
  oid: number;
  name: string;
  body: string;
  portable: boolean;
}

export interface Dependencies {
  /** Before tables. */
  objects: SchemaObject[];
  /** Functions that speak of tables, and come after them. */
  late: SchemaObject[];
  /** Oids of sequences, with those of identity columns. */
  sequences: number[];
  functions: number[];
  problems: string[];
}

/** Those of users: functions in languages whose text can travel, and others. */
const CALLABLE = `
  SELECT p.oid, p.proname AS name, coalesce(p.prosrc, '') AS body, l.lanname IN ('sql', 'plpgsql') AND p.prokind IN ('f', 'p') AS portable
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'decomposition')
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')`;

const OF_TABLES = `
  SELECT DISTINCT d.objid AS oid FROM pg_depend d
  LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
  LEFT JOIN pg_class c ON c.oid = CASE WHEN d.refclassid = 'pg_class'::regclass THEN d.refobjid ELSE t.typrelid END
  WHERE d.classid = 'pg_proc'::regclass AND d.objid = ANY ($1::oid[]) AND c.relkind IN ('r', 'p', 'v', 'm')`;

/** What relations need beside themselves. Of what a function calls, PostgreSQL knows nothing: there its text decides. */
export async function readDependencies(
  client: pg.ClientBase,
  relations: readonly number[],
  also: readonly Pick<SchemaObject, 'kind' | 'name'>[],
): Promise<Dependencies> {
  const further = JSON.stringify(also.map(({ kind, name }) => ({ kind, name })));
  const { rows: callables } = await client.query<Callable>(CALLABLE);
  const byOid = new Map(callables.map((callable) => [callable.oid, callable]));
  let called: number[] = [];
  let needed: Needed[];
  for (;;) {
    needed = (await client.query<Needed>(NEEDED, [relations, called, further])).rows;
    const functions = needed.filter((one) => one.class === 'pg_proc').map(({ oid }) => oid);
    const more = callables.filter(({ oid, name }) => {
      return !functions.includes(oid) && functions.some((each) => calls(byOid.get(each)?.body ?? '', name));
    });
    if (more.length === 0) break;
    called = [...called, ...more.map(({ oid }) => oid)];
  }
  const oids = (name: string): number[] => needed.filter((one) => one.class === name).map(({ oid }) => oid);
  const types = await client.query<{ oid: number; kind: string; ofTable: boolean }>(
    `SELECT t.oid, CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN 'array' ELSE t.typtype::text END AS kind,
       coalesce(c.relkind <> 'c', false) AS "ofTable" FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid = ANY ($1::oid[])`,
    [oids('pg_type')],
  );
  const made = types.rows.filter(({ kind, ofTable }) => ['e', 'c', 'd'].includes(kind) && !ofTable);
  const functions = oids('pg_proc');
  const late = new Set((await client.query<{ oid: number }>(OF_TABLES, [functions])).rows.map(({ oid }) => oid));
  const portable = functions.filter((oid) => byOid.get(oid)?.portable);
  const read = (sql: string, which: readonly number[]): Promise<SchemaObject[]> => readObjects(client, sql, [which]);
  return {
    objects: [
      ...(await read(SCHEMAS, oids('pg_namespace'))),
      ...(await read(EXTENSIONS, oids('pg_extension'))),
      ...(await read(COLLATIONS, oids('pg_collation'))),
      ...(await read(
        TYPES,
        made.map(({ oid }) => oid),
      )),
      ...(await read(SEQUENCES, oids('pg_class'))),
      ...(await read(
        FUNCTIONS,
        portable.filter((oid) => !late.has(oid)),
      )),
    ],
    late: await read(
      FUNCTIONS,
      portable.filter((oid) => late.has(oid)),
    ),
    sequences: oids('pg_class'),
    functions: portable,
    problems: [
      ...needed.filter((one) => FOREIGN.has(one.class)),
      ...needed.filter((one) => one.class === 'pg_proc' && !byOid.get(one.oid)?.portable),
      ...needed.filter((one) => types.rows.some(({ oid, kind }) => oid === one.oid && ['b', 'r', 'm'].includes(kind))),
    ].map(
      ({ described }) => `${described} does not travel: make it in the target's database yourself, or use migrations`,
    ),
  };
}

/** Too much to know how to make, and rare. */
const FOREIGN = new Set(['pg_opclass', 'pg_operator', 'pg_opfamily', 'pg_ts_config', 'pg_ts_dict', 'pg_am']);

function calls(body: string, name: string): boolean {
  return new RegExp(`(?<![\\w$])"?${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}"?\\s*\\(`, 'i').test(body);
}
