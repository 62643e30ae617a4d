import { SEQUENCE_OPTIONS } from './tables-sql.js';

const FROM = `
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refclassid = 'pg_class'::regclass
    AND o.deptype IN ('a', 'i')
  LEFT JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid`;

/** All but those of identity columns, which come with their column. $1: oids */
export const SEQUENCES = `
  SELECT 'sequence' AS kind, n.nspname || '.' || c.relname AS name,
    format('CREATE SEQUENCE %I.%I AS %s ', n.nspname, c.relname, format_type(s.seqtypid, NULL)) || ${SEQUENCE_OPTIONS} AS make
  ${FROM} WHERE s.seqrelid = ANY ($1::oid[]) AND o.deptype IS DISTINCT FROM 'i' ORDER BY 2`;

/** $1: oids of sequences, $2: of relations */
export const SEQUENCE_OWNERS = `
  SELECT 'sequence owner' AS kind, n.nspname || '.' || c.relname AS name,
    format('ALTER SEQUENCE %s OWNED BY %s.%I', c.oid::regclass, o.refobjid::regclass, a.attname) AS make
  ${FROM} WHERE s.seqrelid = ANY ($1::oid[]) AND o.deptype = 'a' AND o.refobjid = ANY ($2::oid[]) ORDER BY 2`;

/** Sequences that belong to columns of the relations, or that their defaults name: $1, with those of identity columns. */
export const SEQUENCE_POSITIONS = `
  SELECT n.nspname AS schema, c.relname AS name ${FROM} WHERE s.seqrelid = ANY ($1::oid[]) ORDER BY 1, 2`;
