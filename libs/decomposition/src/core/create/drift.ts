import { describe, type FullDescription } from '../describe/describe.js';
import { compare, describeDifferences } from '../describe/differences.js';
import { fullName, parseTableName } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { readDeferred } from './deferred-store.js';

/** The logins of the plan: whom policies may speak of. */
export function loginsOf({ plan }: Move): string[] {
  return plan.services.flatMap(({ owner, runtime, further }) => [owner, runtime, ...further].map(({ name }) => name));
}

/** @param other side's description: what stands alone there counts here, too, if it is there */
export async function describeSide(move: Move, side: Side, other?: FullDescription): Promise<FullDescription> {
  const also = other?.objects.filter(({ table }) => table === '');
  const { service } = move;
  const description = await describe(move.databases[side], service.tables, loginsOf(move), also);
  const replaced = service.takeover?.replaces.map((name) => `${fullName(parseTableName(name))}(`) ?? [];
  const objects = description.objects.map((one) => {
    const differs = one.kind === 'function' && replaced.some((name) => one.name.startsWith(name));
    return differs ? { ...one, text: 'as it is on each side' } : one;
  });
  return { ...description, objects };
}

/**
 * What differs between the two sides' tables now, a line each; empty when nothing does. What was deferred and is not made yet is no
 * difference, nor are partitions that only the side has that follows.
 */
export async function driftOf(move: Move): Promise<string[]> {
  const state = await move.state.find();
  const switched = state?.phase === 'switched' || state?.phase === 'completed';
  const sides: readonly [Side, Side] = switched ? ['target', 'source'] : ['source', 'target'];
  const first = await describeSide(move, sides[0]);
  const second = await describeSide(move, sides[1], first);
  const notYet = (await readDeferred(move, 'target')).filter(({ present }) => !present && !switched);
  return describeDifferences(compare(first, second, new Set(notYet.map(({ meaning }) => meaning))), sides);
}
