import { begin, advance, breakStep } from './runs.js';
import { type Protocol } from './protocol.js';
import { bit, copyOf, type SideNumber, SOURCE, TARGET, type View, type World, WRITERS } from './world.js';

export interface Transition {
  label: string;
  /** Something that need not happen for everything to come to its end. */
  fault: boolean;
  to: World;
}

/** What may go wrong besides kills and failures of steps; all of it at once would be too much to look at. */
export interface Bounds {
  /** Who writes, one row each. */
  writers: readonly (0 | 1 | 2)[];
  /** A run may lose its turn without noticing, while the next one begins. */
  lostTurns: boolean;
  /** Once, a stream loses a change. */
  lostChange: boolean;
}

const SIDES = [SOURCE, TARGET] as const;
const NAME = ['source', 'target'] as const;
const VIEW: Readonly<Record<World['state'], View>> = {
  'in_step/source': 'source',
  switching: 'paused',
  reversing: 'paused',
  'switched/target': 'target',
};

/** All that can happen next. */
export function transitions(protocol: Protocol, bounds: Bounds, world: World): Transition[] {
  const found: Transition[] = [];
  const add = (label: string, change: (to: World) => boolean | void, fault = false): void => {
    const to = copyOf(world);
    if (change(to) !== false) found.push({ label, fault, to });
  };
  writes(world, add);
  deliveries(bounds, world, add);
  runs(protocol, bounds, world, add);
  return found;
}

type Add = (label: string, change: (to: World) => boolean | void, fault?: boolean) => void;

function isLocked(world: World, side: SideNumber): boolean {
  return world.runs.some((run) => run?.lock === side);
}

function writes(world: World, add: Add): void {
  world.writers.forEach(({ at }, number) => {
    const i = number as 0 | 1 | 2;
    for (const side of SIDES) {
      // The outsider tries both.
      const goesThere = i === 2 || world.views[i] === NAME[side];
      if (at === 'new' && goesThere && world.open & bit(side) && !isLocked(world, side))
        add(`${WRITERS[i]} writes to the ${NAME[side]}`, (to) => void (to.writers[i].at = side));
      if (at === side)
        add(`${WRITERS[i]} commits on the ${NAME[side]}`, (to) => {
          const log = to.streams[side].captured ? bit(side) : 0;
          to.writers[i] = { at: 'done', on: to.writers[i].on | bit(side), log };
        });
    }
  });
  ([0, 1] as const).forEach((i) => {
    if (world.views[i] !== VIEW[world.state] && (i === 0 || world.writers[i].at !== 'done'))
      add(`${WRITERS[i]} hears of ${world.state}`, (to) => void (to.views[i] = VIEW[to.state]));
  });
}

function deliveries(bounds: Bounds, world: World, add: Add): void {
  for (const from of SIDES) {
    const onto = from === SOURCE ? TARGET : SOURCE;
    if (!world.streams[from].applying || isLocked(world, onto)) continue;
    world.writers.forEach(({ log }, i) => {
      if (!(log & bit(from))) return;
      const take = (to: World, on: number): void => {
        const writer = to.writers[i]!;
        Object.assign(writer, { log: writer.log & ~bit(from), on: writer.on | on });
      };
      add(`the row of ${WRITERS[i]} arrives on the ${NAME[onto]}`, (to) => take(to, bit(onto)));
      if (bounds.lostChange && !world.lost)
        add(
          `the row of ${WRITERS[i]} is lost on its way`,
          (to) => {
            take(to, 0);
            to.lost = true;
          },
          true,
        );
    });
  }
}

function runs(protocol: Protocol, bounds: Bounds, world: World, add: Add): void {
  if (!world.runs[0]) {
    for (const verb of ['switch', 'reverse'] as const) add(`a run of ${verb} begins`, (to) => begin(to, verb));
    const side = world.state === 'in_step/source' ? SOURCE : world.state === 'switched/target' ? TARGET : undefined;
    if (world.lost && !world.runs[1] && side !== undefined)
      add('verify --repair', (to) => {
        for (const writer of to.writers) if (writer.on & bit(side) && writer.log === 0) writer.on = 3;
      });
  }
  for (const slot of [0, 1] as const) {
    const run = world.runs[slot];
    if (!run) continue;
    const who = `${slot === 0 ? 'the run' : 'the run without a turn'}, ${protocol.lists[run.list][run.step]}`;
    add(`${who} (${run.list} ${run.part})`, (to) => advance(protocol, to, slot));
    add(`${who} is killed`, (to) => void (to.runs[slot] = null), true);
    add(`${who} fails`, (to) => breakStep(protocol, to, slot, false), true);
    add(`${who} fails in spite of what it did`, (to) => breakStep(protocol, to, slot, true), true);
  }
  // Between two steps it would notice.
  if (bounds.lostTurns && world.runs[0] && world.runs[0].part > 0 && !world.runs[1])
    add('the run loses its turn', (to) => void (to.runs = [null, { ...to.runs[0]!, then: 'end' }]), true);
}
