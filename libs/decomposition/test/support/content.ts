import { fullName, quoted } from '../../src/core/catalogue/table.js';
import { type Move } from '../../src/core/move.js';
import { type Side } from '../../src/core/side.js';

export interface Content {
  rows: number;
  /** The first texts of rows, where there are few. */
  texts: string[];
  hash: string;
}

/** What is in the moved tables of one side, by full name. */
export async function contentOf(move: Move, side: Side): Promise<Record<string, Content>> {
  const content: Record<string, Content> = {};
  for (const table of await move.tables(side)) {
    const { rows } = await move.databases[side].query<Content>(
      `SELECT count(*)::int AS rows, coalesce(md5(string_agg(t::text, ',' ORDER BY t::text COLLATE "C")), '') AS hash,
         coalesce((array_agg(left(t::text, 60) ORDER BY t::text COLLATE "C"))[1:5000], '{}') AS texts FROM ${quoted(table)} t`,
    );
    content[fullName(table)] = rows[0]!;
  }
  return content;
}
