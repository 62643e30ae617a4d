import { bit, type SideNumber, SOURCE, TARGET, type World } from './world.js';

/** What must hold in every reachable state. @returns what does not */
export function findFault(world: World): string | undefined {
  const { open, writers } = world;
  if (open === 3) return 'both sides accept writes';
  for (const side of [SOURCE, TARGET] as const)
    if (open & bit(side) && writers.some(({ at, on }) => at === 'done' && !(on & bit(side))))
      return 'the side that accepts writes lacks a row that was acknowledged';
  if (isQuiet(world) && !world.lost && writers.some(({ on }) => on !== 3))
    return 'everything is at rest, and the sides are not equal';
  return undefined;
}

/** Nothing is under way, and the side that does not take writes follows the other. */
function isQuiet({ runs, state, streams, writers }: World): boolean {
  if (runs.some(Boolean) || (state !== 'in_step/source' && state !== 'switched/target')) return false;
  const side = state === 'in_step/source' ? SOURCE : TARGET;
  const other = side === SOURCE ? TARGET : SOURCE;
  return (
    streams[side].applying && !streams[other].captured && writers.every(({ at, log }) => at === 'done' && log === 0)
  );
}

/** Everybody's writes are through, and all is as it should be with that side taking writes. */
export function isAtRest(world: World, side: SideNumber): boolean {
  return (
    world.state === (side === SOURCE ? 'in_step/source' : 'switched/target') &&
    isQuiet(world) &&
    world.open === bit(side) &&
    world.writers.every(({ on }) => on === 3)
  );
}
