import { type Move } from '../move.js';
import { type Stream } from '../stream/stream.js';
import { type Comparison } from './comparison.js';
import { type Key } from './key-range.js';
import { type RangeStore } from './range-store.js';

const BATCH_KEYS = 5000;

/**
 * Marks what the authoritative side wrote to since the last verification, and only then tells the log that it is dealt with. What is
 * written from here on is for the next one.
 */
export async function markChanges(
  move: Move,
  { changes }: Pick<Stream, 'changes'>,
  comparisons: readonly Comparison[],
  store: RangeStore,
): Promise<void> {
  const waiting = new Map<string, Map<string, Key>>();
  const mark = async (table: string): Promise<void> => {
    const comparison = comparisons.find(({ name }) => name === table);
    const keys = [...(waiting.get(table)?.values() ?? [])];
    waiting.delete(table);
    if (comparison && keys.length > 0) await store.markKeys(comparison, keys);
  };
  for await (const { table, keys, all } of changes.read(move.signal)) {
    move.signal.throwIfAborted();
    if (all) await store.markAll(table);
    const known = waiting.get(table) ?? new Map<string, Key>();
    for (const key of keys) known.set(JSON.stringify(key), key);
    waiting.set(table, known);
    if (known.size >= BATCH_KEYS) await mark(table);
  }
  for (const table of [...waiting.keys()]) await mark(table);
  await changes.forget();
}
