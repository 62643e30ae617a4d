import { setTimeout as sleep } from 'node:timers/promises';
import { SplitError } from '../errors.js';
import { type MoveState } from '../state/move-state.js';
import { type MoveChange } from '../state/move-store.js';
import { type Parts } from './parts.js';
import { type Handlers, runSteps, type Run, calmly } from './run.js';
import { settle } from './settle.js';
import { changeOwn, openSource, openTarget, sourceIsOpen } from './sides.js';
import {
  FINISH_REVERSE_STEPS,
  type FinishReverseStep,
  type StepName,
  TAKE_BACK_REVERSE_STEPS,
  TAKE_BACK_SWITCH_STEPS,
  type TakeBackReverseStep,
  type TakeBackSwitchStep,
} from './steps.js';

const OPEN_TIMEOUT_MS = 5000;
/** A server that was killed comes back in the meantime. */
const PATIENCE_MS = 10_000;
const BETWEEN_MS = 250;

/**
 * Writes go to the source again, after a switch that did not come to its flip. Safe to repeat, and in another run.
 *
 * @param also changed with it
 * @returns `switched` when the flip had happened after all: then that is settled
 */
export function takeBackSwitch(
  run: Run,
  parts: Parts,
  because: string,
  also: MoveChange = {},
): Promise<'taken_back' | 'switched'> {
  const { parts: calm } = calmly(run, parts);
  const handlers: Handlers<TakeBackSwitchStep> = {
    claim: async () => {
      await changeOwn(run, {}, { phase: 'in_step', writes: 'paused' });
      return { because };
    },
    'open-source': () => openSource(run, parts, OPEN_TIMEOUT_MS),
    resume: async () => {
      await changeOwn(run, { ...also, writes: 'source', pausedFor: null });
    },
    settle: () => settle(run, calm),
  };
  return insist(run, parts, because, async (calm) => {
    const state = await goneOnWithout(run);
    if (state) {
      await doSteps(calm, ['settle'], handlers);
      return state.phase === 'switched' ? 'switched' : 'taken_back';
    }
    await doSteps(calm, TAKE_BACK_SWITCH_STEPS, handlers);
    return 'taken_back';
  });
}

/**
 * A reverse that was cut short: as long as the source was not opened, writes go to the target again; afterwards somebody may have
 * written to the source, and the reverse is brought to its end. Safe to repeat, and in another run.
 */
export function takeBackReverse(run: Run, parts: Parts, because: string): Promise<'taken_back' | 'reversed'> {
  const { parts: calm } = calmly(run, parts);
  const handlers: Handlers<TakeBackReverseStep | FinishReverseStep> = {
    claim: async () => {
      await changeOwn(run, {}, { phase: 'switched', writes: 'paused' });
      return { because };
    },
    'open-target': async () => {
      await openTarget(run, parts, { writes: 'target', pausedFor: null }, OPEN_TIMEOUT_MS);
    },
    resume: async () => {
      await changeOwn(run, REVERSED);
    },
    settle: () => settle(run, calm),
  };
  return insist(run, parts, because, async (calm) => {
    const state = await goneOnWithout(run);
    if (state) {
      await doSteps(calm, ['settle'], handlers);
      return state.phase === 'in_step' ? 'reversed' : 'taken_back';
    }
    await doSteps(calm, ['claim'], handlers);
    const open = await sourceIsOpen(run.move, parts);
    await doSteps(calm, (open ? FINISH_REVERSE_STEPS : TAKE_BACK_REVERSE_STEPS).slice(1), handlers);
    return open ? 'reversed' : 'taken_back';
  });
}

/**
 * Whether writes are not paused any more: a change of our own whose answer had not arrived.
 *
 * @returns the state, in an epoch of this run; undefined when they are paused
 */
async function goneOnWithout(run: Run): Promise<MoveState | undefined> {
  const { writes, epoch } = await run.move.state.read();
  if (writes === 'paused') return undefined;
  await run.turn.assertHeld();
  return changeOwn(run, {}, { epoch });
}

/** The state once a reverse is through. */
export const REVERSED = {
  phase: 'in_step',
  writes: 'source',
  pausedFor: null,
  readPercent: 0,
} as const satisfies Partial<MoveState>;

async function doSteps<S extends StepName>(run: Run, steps: readonly S[], handlers: Handlers<S>): Promise<void> {
  const failure = await runSteps(run, steps, handlers);
  if (failure) throw new Fault(failure.error);
}

/** Of a step; whatever else is thrown ends the run where it stands. */
class Fault extends Error {
  constructor(readonly of: unknown) {
    super(of instanceof Error ? of.message : String(of));
  }
}

/** Writes stand still meanwhile: it is tried again, unless another run has taken over. */
async function insist<T>(run: Run, parts: Parts, because: string, work: (calm: Run) => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  const calm = calmly(run, parts).run;
  for (;;) {
    try {
      return await work(calm);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // Not `busy`: that may be a change of our own whose answer had not arrived.
      const theirs = error.of instanceof SplitError && error.of.code === 'interrupted';
      if (theirs || Date.now() > deadline)
        throw new SplitError(
          theirs ? 'interrupted' : 'timeout',
          `${because} It could not be taken back now (${error.message}); writes may still be paused.`,
          'Run `reverse`, or the verb again, as soon as both databases can be reached.',
          { cause: error.of },
        );
      await sleep(BETWEEN_MS);
    }
  }
}
