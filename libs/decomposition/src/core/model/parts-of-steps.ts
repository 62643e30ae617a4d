import { bit, type MoveMode, type Run, type SideNumber, SOURCE, type Step, TARGET, type World } from './world.js';

/**
 * - `done`: the run goes on
 * - `wait`: it is not possible now
 * - `fail`: the step fails
 */
export type Outcome = 'done' | 'wait' | 'fail';

/** The smallest thing that is done at once. Changes the world that it is given. */
export type Part = (world: World, run: Run) => Outcome;

/** What a change of the state does to what runs know of it. */
export function changeState(world: World, run: Run, state: MoveMode): void {
  for (const one of world.runs) if (one) one.current = false;
  run.current = true;
  world.state = state;
}

/** Compares and sets: `UPDATE ... WHERE phase, writes`. */
const change =
  (from: MoveMode, to: MoveMode): Part =>
  (world, run) => {
    if (world.state !== from) return 'fail';
    changeState(world, run, to);
    return 'done';
  };

/** The same with the epoch, which stands for the whole row. */
const changeOwn =
  (to: MoveMode): Part =>
  (world, run) => {
    if (!run.current) return 'fail';
    changeState(world, run, to);
    return 'done';
  };

export const checkEpoch: Part = (_, run) => (run.current ? 'done' : 'fail');

/** LOCK TABLE: waits for transactions that have written, and holds up others. */
export const lock =
  (side: SideNumber): Part =>
  (world, run) => {
    if (world.writers.some(({ at }) => at === side)) return 'wait';
    if (world.runs.some((other) => other && other !== run && other.lock === side)) return 'wait';
    run.lock = side;
    return 'done';
  };

/** What was prepared under the lock is committed. */
export const commit =
  (side: SideNumber, open: boolean): Part =>
  (world, run) => {
    world.open = open ? world.open | bit(side) : world.open & ~bit(side);
    run.lock = null;
    return 'done';
  };

const close = (side: SideNumber): Part[] => [lock(side), checkEpoch, commit(side, false)];

/** One transaction: the fence falls and the state changes together. */
export const openTarget =
  (to: MoveMode): Part =>
  (world, run) => {
    if (!run.current) return 'fail';
    world.open |= bit(TARGET);
    run.lock = null;
    changeState(world, run, to);
    return 'done';
  };

/** Skips what follows, to the end of opening, when it is open. */
const openSource: Part[] = [
  (world, run) => (world.open & bit(SOURCE) ? skip(run, 3) : 'done'),
  lock(SOURCE),
  checkEpoch,
  commit(SOURCE, true),
];

function skip(run: Run, parts: number): Outcome {
  run.part += parts;
  return 'done';
}

export const capture =
  (from: SideNumber): Part =>
  (world) => {
    // It waits for transactions that it would see half of.
    if (world.writers.some(({ at }) => at === from)) return 'wait';
    world.streams[from].captured = true;
    return 'done';
  };

const start =
  (from: SideNumber): Part =>
  (world) => {
    if (!world.streams[from].captured) return 'fail';
    world.streams[from].applying = true;
    return 'done';
  };

/** Guarded by the epoch, as near to the effect as may be. */
export const ifCurrent =
  (part: Part): Part =>
  (world, run) =>
    run.current ? part(world, run) : 'fail';

const stop =
  (from: SideNumber): Part =>
  (world) => {
    world.streams[from].applying = false;
    return 'done';
  };

const forget =
  (from: SideNumber): Part =>
  (world) => {
    for (const writer of world.writers) writer.log &= ~bit(from);
    return 'done';
  };

/** There must be a log to skip in. */
const skipToNow =
  (from: SideNumber): Part =>
  (world, run) =>
    world.streams[from].captured ? forget(from)(world, run) : 'fail';

const end =
  (from: SideNumber): Part =>
  (world, run) => {
    world.streams[from] = { captured: false, applying: false };
    return forget(from)(world, run);
  };

const drain =
  (from: SideNumber): Part =>
  (world) =>
    world.writers.some(({ log }) => log & bit(from)) ? 'wait' : 'done';

/** Only of what both sides have closed. */
const verifyDelta: Part = ({ writers }) => (writers.every(({ on }) => on === 0 || on === 3) ? 'done' : 'fail');

const when =
  (mode: MoveMode, part: Part): Part =>
  (world, run) =>
    run.seen === mode ? part(world, run) : 'done';

const read: Part = (world, run) => {
  run.seen = world.state;
  return run.current ? 'done' : 'fail';
};

const settle: Part[] = [
  read,
  // When the source should be open and is not.
  (world, run) => (run.seen === 'in_step/source' && !(world.open & bit(SOURCE)) ? 'done' : skip(run, 3)),
  lock(SOURCE),
  checkEpoch,
  commit(SOURCE, true),
  when('in_step/source', start(SOURCE)),
  when('in_step/source', ifCurrent(end(TARGET))),
  when('switched/target', start(TARGET)),
  when('switched/target', ifCurrent(end(SOURCE))),
];

const acknowledged: Part = ({ writers, views }) =>
  views[0] === 'paused' && (writers[0].at === 'new' || writers[0].at === 'done') ? 'done' : 'wait';

export type PartsOfSteps = Readonly<Record<string, readonly Part[]>>;

/** Of both directions: steps that have the same name are told apart by the list that they are in. */
export const SWITCH_PARTS: Readonly<Record<Exclude<Step, OnlyElsewhere>, readonly Part[]>> = {
  prepare: [capture(TARGET)],
  pause: [change('in_step/source', 'switching'), acknowledged],
  'fence-source': close(SOURCE),
  drain: [drain(SOURCE)],
  sequences: [],
  'verify-delta': [verifyDelta],
  'hand-over': [ifCurrent(stop(SOURCE)), ifCurrent(skipToNow(TARGET))],
  flip: [lock(TARGET), openTarget('switched/target')],
  claim: [change('switching', 'switching')],
  'open-source': openSource,
  resume: [changeOwn('in_step/source')],
  settle,
};

export const REVERSE_PARTS: Readonly<Record<Exclude<Step, 'fence-source' | 'flip' | OfEnds>, readonly Part[]>> = {
  prepare: [capture(SOURCE)],
  pause: [change('switched/target', 'reversing'), acknowledged],
  'fence-target': close(TARGET),
  drain: [drain(TARGET)],
  sequences: [],
  'verify-delta': [verifyDelta],
  'hand-over': [ifCurrent(stop(TARGET)), ifCurrent(skipToNow(SOURCE)), start(SOURCE)],
  'open-source': openSource,
  resume: [changeOwn('in_step/source')],
  claim: [change('reversing', 'reversing')],
  /** Is the source open? For certain: with the lock, whoever is about to open it is waited for. */
  look: [
    (world, run) => {
      if (world.open & bit(SOURCE)) return branch(run, 'finishReverse');
      if (lock(SOURCE)(world, run) === 'wait') return 'wait';
      run.lock = null;
      return branch(run, world.open & bit(SOURCE) ? 'finishReverse' : 'takeBackReverse');
    },
  ],
  'open-target': [lock(TARGET), openTarget('switched/target')],
  settle,
};

/** `complete` and `abandon` come where there is nothing to hand over. */
type OfEnds =
  'verify' | 'conclude' | 'end-streams' | 'retire' | 'schedule' | 'drop' | 'tidy' | 'participants' | 'tidy-source';
type OnlyElsewhere = OfEnds | 'fence-target' | 'open-target' | 'look';

/** The rest of another list, whose first step is done. */
function branch(run: Run, list: 'finishReverse' | 'takeBackReverse'): Outcome {
  Object.assign(run, { list, step: 1, part: -1, then: list === 'finishReverse' ? 'end' : run.then });
  return 'done';
}
