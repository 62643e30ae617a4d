import { fullName, parseTableName } from '../catalogue/table.js';
import { administratorPool, type Move } from '../move.js';
import { ownerOf } from '../catalogue/foreign-keys.js';
import { readMove } from '../state/move-store.js';
import { type Deferred } from './deferred-store.js';

/**
 * Of foreign keys that are cut, those whose other table is written to elsewhere by now: the source's copy of it lags, and must not be
 * asked whether a row is there. Where that cannot be found out, too.
 */
export async function movedOtherEnds(move: Move, rows: readonly Deferred[]): Promise<Set<Deferred>> {
  const own = new Set(move.service.tables.map((text) => fullName(parseTableName(text))));
  const moved = new Map<string, boolean>();
  const result = new Set<Deferred>();
  for (const row of rows) {
    const { from, to } = JSON.parse(row.meaning) as { from: string; to: string };
    const other = ownerOf(move.plan, own.has(from) ? to : from);
    if (other === undefined || other === move.service.name) continue;
    if (!moved.has(other)) moved.set(other, await isMoved(move, other));
    if (!moved.get(other)) continue;
    move.progress.note(`Foreign key ${row.name} of ${row.table} is not made again: ${other} has moved.`);
    result.add(row);
  }
  return result;
}

async function isMoved(move: Move, service: string): Promise<boolean> {
  const { target } = move.plan.services.find(({ name }) => name === service)!;
  const pool = administratorPool(target, 1);
  try {
    const state = await readMove(pool, service);
    return state !== undefined && state.writes !== 'source';
  } catch {
    return true;
  } finally {
    await pool.end();
  }
}
