import type pg from 'pg';
import { quoted } from '../catalogue/table.js';
import { type Deferred } from './deferred-store.js';

const CONSTRAINT = 'SELECT FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2';
const BY_KIND: Partial<Record<Deferred['kind'], string>> = {
  index: `SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1) AND c.relname = $2`,
  trigger: 'SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = $2',
  statistics: 'SELECT FROM pg_statistic_ext WHERE stxrelid = to_regclass($1) AND stxname = $2',
  'replica identity': `SELECT FROM pg_class WHERE oid = to_regclass($1) AND relreplident = 'i' AND $2 <> ''`,
  validation: `SELECT FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname || ' (validated)' = $2 AND convalidated`,
};

/** Whether something that was deferred is there, whatever our notes say. */
export async function isThere(client: pg.ClientBase, { kind, table, name }: Deferred): Promise<boolean> {
  const dot = table.indexOf('.');
  const relation = quoted({ schema: table.slice(0, dot), name: table.slice(dot + 1) });
  const { rowCount } = await client.query(BY_KIND[kind] ?? CONSTRAINT, [relation, name]);
  return rowCount === 1;
}
