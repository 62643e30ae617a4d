import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { fullName, writable, type Column, type Table } from '../catalogue/table.js';
import { type Difference } from './verification.js';
import { readKeyCollations, sameOrder } from './key-order.js';
import { hashFunction, type HashFunction } from './row-hash.js';

export interface ComparedColumn extends Column {
  /** The type is the same on both sides. */
  sameType: boolean;
}

/** One table, as it is compared: the same SQL is right on both sides. */
export interface Comparison {
  /** Full name. */
  name: string;
  table: Pick<Table, 'schema' | 'name'>;
  /** All that can be written. */
  columns: readonly ComparedColumn[];
  key: readonly Column[];
  /** For each column of the key: ` COLLATE ...` where a cast text needs it to sort like the column. */
  collations: readonly string[];
  /** Both servers sort the key alike: ranges of keys hold the same rows. */
  ordered: boolean;
  hash: HashFunction;
  estimatedRows: number;
}

/** @returns what can be compared; a table whose columns are not the same on both sides is a difference instead */
export async function readComparisons(
  move: Move,
  leader: Side,
): Promise<{ comparisons: Comparison[]; differences: Difference[] }> {
  const [sources, targets, hash] = await Promise.all([
    move.tables('source'),
    move.tables('target'),
    hashFunction(move.databases),
  ]);
  const comparisons: Comparison[] = [];
  const differences: Difference[] = [];
  const [source, target] = await Promise.all([
    readKeyCollations(move.databases.source, sources),
    readKeyCollations(move.databases.target, targets),
  ]);
  for (const [index, one] of sources.entries()) {
    const other = targets[index]!;
    const name = fullName(one);
    const detail = columnsDiffer(one, other);
    if (detail) {
      differences.push({ table: name, key: null, kind: 'schema', detail });
      continue;
    }
    const table = leader === 'source' ? one : other;
    comparisons.push({
      name,
      table: { schema: one.schema, name: one.name },
      columns: writable(table).map((column) => ({
        ...column,
        sameType: typeIn(one, column.name) === typeIn(other, column.name),
      })),
      key: table.key,
      collations: table.key.map((column) => target.get(name)?.get(column.name)?.clause ?? ''),
      ordered: table.key.every((column) =>
        sameOrder(column.type, source.get(name)?.get(column.name), target.get(name)?.get(column.name)),
      ),
      hash,
      estimatedRows: table.estimatedRows,
    });
  }
  return { comparisons, differences };
}

function typeIn(table: Table, column: string): string | undefined {
  return table.columns.find(({ name }) => name === column)?.type;
}

function columnsDiffer(source: Table, target: Table): string | undefined {
  const names = (table: Table): string[] => writable(table).map(({ name }) => name);
  const keys = (table: Table): string => table.key.map(({ name }) => name).join(', ');
  const missing = names(source).filter((name) => !names(target).includes(name));
  const extra = names(target).filter((name) => !names(source).includes(name));
  if (missing.length > 0) return `The target has no column ${missing.join(', ')}: the rows cannot be compared.`;
  if (extra.length > 0) return `The source has no column ${extra.join(', ')}: the rows cannot be compared.`;
  if (keys(source) !== keys(target))
    return `The primary key is (${keys(source)}) in the source and (${keys(target)}) in the target.`;
  return undefined;
}
