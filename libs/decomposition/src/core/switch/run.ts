import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type MoveState } from '../state/move-state.js';
import { type Turn, withTurn } from '../turn.js';
import { interrupted } from '../wait-until.js';
import { type Parts, streamsOf } from './parts.js';
import { type StepName } from './steps.js';
import { type SwitchTools } from './tools.js';

export interface StepTime {
  step: StepName;
  /** How long it took. Milliseconds. */
  ms: number;
}

/** What all switching verbs take. */
export interface VerbOptions {
  tools: SwitchTools;
  /** Looks at the gates, and changes nothing. Default false. */
  dryRun?: boolean;
  /** After each step; what it throws ends the run where it stands, as a kill would. */
  onStep?: (step: StepName) => void | Promise<void>;
}

/** One run of a verb. */
export interface Run extends VerbOptions {
  readonly move: Move;
  readonly verb: string;
  readonly turn: Turn;
  /** All steps that were done, in their order. */
  readonly times: StepTime[];
  /** The epoch that this run made last: as long as it stands, nobody else has changed the move. */
  readonly own: { epoch: number };
}

/**
 * Does `work` as the only run, with an epoch of its own: what another run that has lost its turn still has in mind fails from here on.
 *
 * @throws SplitError `busy`
 */
export function asOnlyRun<T>(
  move: Move,
  verb: string,
  options: VerbOptions,
  work: (run: Run, state: MoveState) => Promise<T>,
): Promise<T> {
  return withTurn(move, verb, async (turn) => {
    const { epoch } = await move.state.read();
    const state = await move.state.change({}, { epoch });
    return work({ ...options, move, verb, turn, times: [], own: { epoch: state.epoch } }, state);
  });
}

export interface Failure {
  step: StepName;
  error: unknown;
}

export type Handlers<S extends StepName> = Readonly<Record<S, () => Promise<object | void>>>;

/**
 * Does the steps in their order, each with the turn held, and writes them into the journal with what they return.
 *
 * @returns the step that failed; undefined when all are done
 */
export async function runSteps<S extends StepName>(
  run: Run,
  steps: readonly S[],
  handlers: Handlers<S>,
): Promise<Failure | undefined> {
  for (const step of steps) {
    const began = performance.now();
    try {
      if (run.move.signal.aborted && step !== 'settle') throw interrupted(run.move.signal.reason);
      await run.turn.assertHeld();
      const detail = await handlers[step]();
      const ms = Math.round((performance.now() - began) * 10) / 10;
      run.times.push({ step, ms });
      await run.move.state.journal(run.verb, step, { ms, ...detail });
    } catch (error) {
      const told = run.move.signal.aborted && !(error instanceof SplitError);
      return { step, error: told ? interrupted(error) : error };
    }
    await run.onStep?.(step);
  }
  return undefined;
}

/** For what has to come to its end also when the run is told to stop. */
export function calmly(run: Run, parts: Parts): { run: Run; parts: Parts } {
  const move = { ...run.move, signal: new AbortController().signal };
  return { run: { ...run, move }, parts: { ...parts, ...streamsOf(move, run.tools) } };
}
