import type pg from 'pg';

export interface Sequence {
  /** `schema.name` */
  name: string;
  /** What it belongs to (`OWNED BY`, identity), or gives a default to. Tables by full name. */
  columns: readonly { table: string; column: string }[];
  last: string | null;
  increment: string;
}

const SEQUENCES = `
  WITH used AS (
    SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid::int AS attnum FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum FROM pg_attrdef f
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
  )
  SELECT n.nspname || '.' || c.relname AS name, pg_sequence_last_value(c.oid)::text AS last, s.seqincrement::text AS increment,
    coalesce((
      SELECT json_agg(json_build_object('table', tn.nspname || '.' || t.relname, 'column', a.attname) ORDER BY tn.nspname, t.relname, a.attnum)
      FROM used u JOIN pg_class t ON t.oid = u.relation AND NOT t.relispartition JOIN pg_namespace tn ON tn.oid = t.relnamespace
      JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.attnum
      WHERE u.sequence = c.oid), '[]') AS columns
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relpersistence <> 't' AND n.nspname !~ '^decomposition(_|$)'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ORDER BY 1`;

/** Every sequence of a database, its position, and the columns that take their values from it. */
export async function readSequences(database: pg.Pool): Promise<Sequence[]> {
  return (await database.query<Sequence>(SEQUENCES)).rows;
}
