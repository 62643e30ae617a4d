import type pg from 'pg';

export interface Relation {
  oid: number;
  /** `schema.name` */
  name: string;
  /** `relkind`: r table, p partitioned table, f foreign table, v view, m materialized view. */
  kind: 'r' | 'p' | 'f' | 'v' | 'm';
  /** `relpersistence`: p permanent, u unlogged, t temporary. */
  persistence: 'p' | 'u' | 't';
  /** Of a partition: full name of the whole. */
  partitionOf: string | null;
  /** Made by an extension. */
  ofExtension: boolean;
  hasKey: boolean;
  /** The key's index is checked at once, not at the end of the transaction. */
  keyAtOnce: boolean;
  /** `relreplident`: d the primary key, f the whole row, i another index, n nothing. */
  identity: 'd' | 'f' | 'i' | 'n';
  rowSecurity: boolean;
  /** The administrator is, or is a member of, its owner. */
  owned: boolean;
  /** Full names; inheritance only, not partitioning. */
  inherits: readonly string[];
}

const RELATIONS = `
  SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence,
    CASE WHEN c.relispartition THEN (
      SELECT rn.nspname || '.' || r.relname FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
      WHERE r.oid = pg_partition_root(c.oid)) END AS "partitionOf",
    EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS "ofExtension",
    k.indexrelid IS NOT NULL AS "hasKey", coalesce(k.indimmediate, true) AS "keyAtOnce",
    c.relreplident AS identity, c.relrowsecurity AS "rowSecurity", pg_has_role(c.relowner, 'USAGE') AS owned,
    coalesce((
      SELECT json_agg(pn.nspname || '.' || p.relname) FROM pg_inherits i
      JOIN pg_class p ON p.oid = i.inhparent AND p.relkind <> 'p' JOIN pg_namespace pn ON pn.oid = p.relnamespace
      WHERE i.inhrelid = c.oid), '[]') AS inherits
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index k ON k.indrelid = c.oid AND k.indisprimary
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^decomposition(_|$)'
  ORDER BY 2`;

/** All of a database but its catalogue, and but what the tool keeps itself, or has put aside. */
export async function readRelations(database: pg.Pool): Promise<Relation[]> {
  return (await database.query<Relation>(RELATIONS)).rows;
}
