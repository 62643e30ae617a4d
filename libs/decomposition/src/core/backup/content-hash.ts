import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { quoted } from '../catalogue/table.js';

interface Content {
  rows: number;
  hash: string;
}

/**
 * Counts and hashes a table's rows, in whatever order they come: the sums of both halves of the MD5 of each row's text. It finds
 * damage and mistakes, not forgery. The session's formats must be those of `administratorPool`.
 */
export async function contentHash(
  client: pg.ClientBase,
  table: { schema: string; name: string; columns: readonly { name: string }[] },
): Promise<Content> {
  const columns = table.columns.map(({ name }) => escapeIdentifier(name)).join(', ');
  const half = (side: string): string => `coalesce(sum(('x' || ${side}(md5, 16))::bit(64)::bigint::numeric), 0)`;
  const { rows } = await client.query<{ rows: string; hash: string }>(
    `SELECT count(*) AS rows, ${half('left')} || ':' || ${half('right')} AS hash
     FROM (SELECT md5(r::text) AS md5 FROM (SELECT ${columns} FROM ${quoted(table)}) r) hashed`,
  );
  return { rows: Number(rows[0]!.rows), hash: rows[0]!.hash };
}
