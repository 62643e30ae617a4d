import { isCut, ownerOf, readForeignKeys } from '../catalogue/foreign-keys.js';
import { fullName, parseTableName } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { parseForeignKey } from './parse-foreign-key.js';

/** Values here that have to be there, with no foreign key to see to it. */
export interface SoftReference {
  /** Full names. */
  from: string;
  fromColumns: readonly string[];
  to: string;
  toColumns: readonly string[];
}

/**
 * Those that the service's tables hold: foreign keys that the split cuts, also once they are gone from the source, and the plan's own.
 * Tables that stay belong to no service; what they refer to here is checked with the service that has it.
 */
export async function softReferences(move: Move): Promise<SoftReference[]> {
  const { plan, service } = move;
  const keys = (await readForeignKeys(move.databases.source)).filter(
    (key) => isCut(plan, key) && (ownerOf(plan, key.fromRoot) ?? ownerOf(plan, key.toRoot)) === service.name,
  );
  const found: SoftReference[] = [
    ...keys.map(({ from, fromColumns, to, toColumns }) => ({ from, fromColumns, to, toColumns })),
    ...(await remembered(move)),
    ...service.references.map(({ from, to }) => {
      const [one, other] = [columnOf(from), columnOf(to)];
      return { from: one.table, fromColumns: [one.column], to: other.table, toColumns: [other.column] };
    }),
  ];
  return [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];
}

/** Foreign keys that were taken from the source by a switch. */
async function remembered({ plan, service, databases }: Move): Promise<SoftReference[]> {
  const { rows } = await databases.target.query<{ from: string; make: string }>(
    `SELECT table_name AS "from", make FROM decomposition.deferred
     WHERE service = $1 AND side = 'source' AND kind = 'foreign key'`,
    [service.name],
  );
  return rows.flatMap(({ from, make }) => {
    const parsed = parseForeignKey(make);
    // Those of others to here are checked with the others.
    return parsed && (ownerOf(plan, from) ?? service.name) === service.name ? [{ from, ...parsed }] : [];
  });
}

function columnOf(text: string): { table: string; column: string } {
  const dot = text.lastIndexOf('.');
  return { table: fullName(parseTableName(text.slice(0, dot))), column: text.slice(dot + 1) };
}
