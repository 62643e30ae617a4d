import { type StepName } from '../switch/steps.js';

/**
 * The abstract system: two databases, the state of the move, two streams, three writers with one row each, and at most two runs of the
 * tool: one that has the turn, and one that has lost it and does not know.
 */
export interface World {
  /** Bits of SIDES: where the fence is down. */
  open: number;
  /** Which side the state says, and for which direction it is paused. */
  state: MoveMode;
  /** By the side that changes come from. */
  streams: [Stream, Stream];
  writers: [Writer, Writer, Writer];
  /** What the participants have last heard that takes writes. */
  views: [View, View];
  /** With the turn; without it. */
  runs: [Run | null, Run | null];
  /** Something has once not been carried over. */
  lost: boolean;
}

export const SOURCE = 0;
export const TARGET = 1;
export type SideNumber = typeof SOURCE | typeof TARGET;

/** `phase/writes`, and what it is paused for. */
export type MoveMode = 'in_step/source' | 'switching' | 'switched/target' | 'reversing';
export type View = 'source' | 'target' | 'paused';

export interface Stream {
  captured: boolean;
  applying: boolean;
}

export interface Writer {
  /** `new` and `done`, or the side on which it has written without having committed. */
  at: 'new' | SideNumber | 'done';
  /** Bits of SIDES: where its row is, once committed. */
  on: number;
  /** Bits of SIDES: in which stream's log, by the side that the stream comes from. */
  log: number;
}

export type ListName =
  'settle' | 'switch' | 'reverse' | 'takeBackSwitch' | 'resolveReverse' | 'takeBackReverse' | 'finishReverse';

export interface Run {
  list: ListName;
  /** The step in the list, and how much of it is done. */
  step: number;
  part: number;
  /** Nobody has changed the state since this run did, or read it. */
  current: boolean;
  /** The side whose tables it has locked against writers. */
  lock: SideNumber | null;
  /** What it has read. */
  seen: MoveMode | null;
  /** What follows. */
  then: 'end' | 'switch' | 'reverse';
}

export type Step = StepName | 'look';

/** A participant that follows, one that may be cut off and act by a stale state, and somebody who does not take part. */
export const WRITERS = ['follower', 'cut off', 'outsider'] as const;

export function initial(writers: readonly number[]): World {
  // Whoever does not write has done so: its row is on both sides.
  const writer = (number: number): Writer =>
    writers.includes(number) ? { at: 'new', on: 0, log: 0 } : { at: 'done', on: 3, log: 0 };
  return {
    open: bit(SOURCE),
    state: 'in_step/source',
    streams: [
      { captured: true, applying: true },
      { captured: false, applying: false },
    ],
    writers: [writer(0), writer(1), writer(2)],
    views: ['source', 'source'],
    runs: [null, null],
    lost: false,
  };
}

export function bit(side: SideNumber): number {
  return 1 << side;
}

export function copyOf(world: World): World {
  const { streams, writers, runs } = world;
  return {
    ...world,
    streams: [{ ...streams[0] }, { ...streams[1] }],
    writers: [{ ...writers[0] }, { ...writers[1] }, { ...writers[2] }],
    views: [...world.views],
    runs: [runs[0] && { ...runs[0] }, runs[1] && { ...runs[1] }],
  };
}

/** Equal for equal worlds. */
export function keyOf({ open, state, streams, writers, views, runs, lost }: World): string {
  const stream = streams.map(({ captured, applying }) => Number(captured) + 2 * Number(applying)).join('');
  const writer = writers
    .map(({ at, on, log }) => `${at === 'new' ? 'n' : at === 'done' ? 'd' : at}${on}${log}`)
    .join('');
  const run = runs
    .map((one) => {
      if (!one) return '-';
      return `${one.list}${one.step}.${one.part}${one.current ? 'c' : ''}${one.lock ?? ''}${one.seen ?? ''}${one.then}`;
    })
    .join('|');
  return `${open}${state}${stream}${writer}${views[0]}${views[1]}${run}${lost ? 'x' : ''}`;
}
