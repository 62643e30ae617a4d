import type pg from 'pg';
import { PARTS } from './parts.js';

export interface FillOptions {
  /** Of each of the 27 tables. */
  rows: number;
  /** An integer; the same gives the same data. Default 1. */
  seed?: number;
}

const ZERO = '0'.repeat(64);

/** Declared no steadier than what they call, so that the planner puts their bodies in their place. */
function functions(rows: number, seed: number): string {
  return `
    CREATE FUNCTION pg_temp.pick(g bigint, salt integer, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
      $$ SELECT (hashint8extended(g, ${seed}::bigint * 1000 + salt) & 9223372036854775807) % n $$;
    CREATE FUNCTION pg_temp.uid(kind text, g bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
      $$ SELECT md5('${seed} ' || kind || ' ' || g::text)::uuid $$;
    CREATE FUNCTION pg_temp.at(g bigint) RETURNS timestamptz LANGUAGE sql STABLE AS
      $$ SELECT '2025-01-01T00:00:00Z'::timestamptz + g * interval '${(360 * 86_400) / rows} seconds' $$;
    CREATE FUNCTION pg_temp.link(hash text, content text) RETURNS text LANGUAGE plpgsql STABLE AS
      $$ BEGIN RETURN encode(sha256(convert_to(hash || ' ' || content, 'UTF8')), 'hex'); END $$;
    CREATE AGGREGATE pg_temp.chain(text) (SFUNC = pg_temp.link, STYPE = text, INITCOND = '${ZERO}');`;
}

const FORGET = `
  DROP AGGREGATE pg_temp.chain(text);
  DROP FUNCTION pg_temp.link(text, text), pg_temp.at(bigint), pg_temp.uid(text, bigint), pg_temp.pick(bigint, integer, bigint);`;

/**
 * Fills what `createAcgs` made, once, on the server's side: tens of thousands of rows a second. The data hold to all constraints, foreign keys and
 * chains, which are not checked meanwhile: that takes a superuser. All or nothing.
 */
export async function fillAcgs(client: pg.ClientBase, { rows, seed = 1 }: FillOptions): Promise<void> {
  if (!Number.isSafeInteger(rows) || rows < 1 || !Number.isSafeInteger(seed))
    throw new RangeError('rows and seed are whole numbers');
  await client.query('BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL timezone = UTC');
  try {
    await client.query(functions(rows, seed));
    for (const { fill } of Object.values(PARTS))
      for (const insert of Object.values(fill)) await client.query(insert, [rows]);
    await client.query(FORGET);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
  // Sizes and rows are then told as they are.
  await client.query('ANALYZE');
}
