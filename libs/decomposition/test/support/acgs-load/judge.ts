import { escapeLiteral } from 'pg';
import { ACGS_TABLES } from '../../../samples/acgs-1/index.js';
import { type Ledger } from './ledger.js';

/** Keys of tables whose key is not `id`. */
const KEYS: Readonly<Record<string, string>> = {
  role_permissions: `t.role_id || '/' || t.permission_id`,
  compliance_checks: `t.validation_id || '/' || t.check_no`,
  hash_chains: `t.chain || '/' || t.position`,
  z3_models: `t.proof_id || '/' || t.model_no`,
  opa_policies: `t.package || '/' || t.revision`,
  voting_records: `t.decision_id || '/' || t.member_id`,
};

/** What a statement on `table AS t` gives back. */
export function returning(table: string): string {
  return `RETURNING ${keyOf(table)} AS key, t::text AS row`;
}

export function keyOf(table: string): string {
  return KEYS[table] ?? 't.id::text';
}

/** Of a service's tables, where it takes writes. */
export type ReadAt = (service: string, sql: string) => Promise<{ key: string; row: string }[]>;

/** How many rows no writer has ever touched, and a sum of what is in them, by table. */
export async function untouched(ledger: Ledger, readAt: ReadAt): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const [service, tables] of Object.entries(ACGS_TABLES))
    for (const table of tables) {
      const [found] = await readAt(
        service,
        `SELECT '' AS key, count(*) || ':' || coalesce(bit_xor(hashtextextended(t::text, 0)), 0) AS row FROM ${table} t
         WHERE NOT ${touched(ledger, table)}`,
      );
      sums[table] = found!.row;
    }
  return sums;
}

/** What was lost, doubled or changed: nothing, when the move was right. */
export async function judge(ledger: Ledger, readAt: ReadAt): Promise<string[]> {
  const wrong: string[] = [];
  for (const [service, tables] of Object.entries(ACGS_TABLES))
    for (const table of tables) {
      const found = await readAt(
        service,
        `SELECT ${keyOf(table)} AS key, t::text AS row FROM ${table} t WHERE ${touched(ledger, table)}`,
      );
      const rows = new Map(found.map(({ key, row }) => [key, row]));
      for (const [key, row] of ledger.rows.get(table) ?? [])
        if ((rows.get(key) ?? null) !== row) wrong.push(`${table} ${key}: ${rows.get(key)} instead of ${row}`);
    }
  return wrong;
}

function touched(ledger: Ledger, table: string): string {
  return `${keyOf(table)} = ANY (ARRAY[${ledger.keys(table).map(escapeLiteral).join(', ')}]::text[])`;
}
