import type pg from 'pg';
import { type Plan } from '../plan/plan.js';
import { fullName, parseTableName } from './table.js';

export interface ForeignKey {
  name: string;
  /** Full names. */
  from: string;
  to: string;
  fromColumns: readonly string[];
  toColumns: readonly string[];
  /** As `pg_get_constraintdef` has it: `FOREIGN KEY (...) REFERENCES ...`. */
  definition: string;
  validated: boolean;
  onDelete: ForeignKeyAction;
  onUpdate: ForeignKeyAction;
  /** Full names of the partitioned tables that `from` and `to` belong to, where the key is one of a partition alone; else the same. */
  fromRoot: string;
  toRoot: string;
}

export type ForeignKeyAction = 'NO ACTION' | 'RESTRICT' | 'CASCADE' | 'SET NULL' | 'SET DEFAULT';

const action = (column: string): string => `
    CASE ${column} WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
      ELSE 'NO ACTION' END`;
const root = (table: string): string => `
    (SELECT rn.nspname || '.' || r.relname FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
     WHERE r.oid = coalesce(pg_partition_root(${table}.oid), ${table}.oid))`;

const FOREIGN_KEYS = `
  SELECT k.conname AS name, k.convalidated AS validated, pg_get_constraintdef(k.oid) AS definition,
    fn.nspname || '.' || f.relname AS "from", tn.nspname || '.' || t.relname AS "to",
    (SELECT json_agg(a.attname ORDER BY c.place) FROM unnest(k.conkey) WITH ORDINALITY c (number, place)
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number) AS "fromColumns",
    (SELECT json_agg(a.attname ORDER BY c.place) FROM unnest(k.confkey) WITH ORDINALITY c (number, place)
     JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number) AS "toColumns",
    ${action('k.confdeltype')} AS "onDelete", ${action('k.confupdtype')} AS "onUpdate",
    ${root('f')} AS "fromRoot", ${root('t')} AS "toRoot"
  FROM pg_constraint k
  JOIN pg_class f ON f.oid = k.conrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
  JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
  WHERE k.contype = 'f' AND k.conparentid = 0
  ORDER BY 4, 1`;

/** All of a database, each once: of partitioned tables those of the whole. */
export async function readForeignKeys(database: pg.Pool | pg.ClientBase): Promise<ForeignKey[]> {
  const { rows } = await database.query<ForeignKey>(FOREIGN_KEYS);
  return rows;
}

/** The service that gets the table; undefined when it stays, or nobody claims it. @param table full name */
export function ownerOf(plan: Plan, table: string): string | undefined {
  return plan.services.find(({ tables }) => tables.some((text) => fullName(parseTableName(text)) === table))?.name;
}

/** Whether its two tables will live apart. */
export function isCut(plan: Plan, { fromRoot, toRoot }: ForeignKey): boolean {
  return ownerOf(plan, fromRoot) !== ownerOf(plan, toRoot);
}
