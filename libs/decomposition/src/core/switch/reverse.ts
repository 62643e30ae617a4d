import { SplitError } from '../errors.js';
import { prepareFence } from '../fence/fence.js';
import { type Move } from '../move.js';
import { type MoveState } from '../state/move-state.js';
import {
  assertOpen,
  assertSourceThere,
  type Gate,
  participantsGate,
  phaseGate,
  schemaGate,
  sourceGate,
  streamGates,
} from './gates.js';
import { type Parts, readParts } from './parts.js';
import { Pause, PAUSE_TIMEOUT_MS } from './pause.js';
import { reportOf, type SwitchReport } from './report.js';
import { asOnlyRun, calmly, type Handlers, runSteps, type Run, type VerbOptions } from './run.js';
import { isStuck, settle } from './settle.js';
import { changeOwn, closeSide, movingStreams, openSource } from './sides.js';
import { REVERSE_STEPS, type ReverseStep } from './steps.js';
import { REVERSED, takeBackReverse, takeBackSwitch } from './take-back.js';
import { listed, type SwitchTools } from './tools.js';
import { takeOver } from './take-over.js';
import { within } from './within.js';

export interface ReverseOptions extends VerbOptions {
  /** How long writes may stand still; afterwards all is taken back. Milliseconds, default 5000. */
  pauseTimeoutMs?: number;
  /**
   * Goes on without instances that do not pause. Their writes fail until they have heard of it; no row is lost. Default false.
   */
  force?: boolean;
}

const VERB = 'reverse';
/** Before the pause, while writes go on. */
const CATCH_UP_MS = 10_000;

/**
 * Back to the shared database, from wherever the move is: reads go to the source again; a switch that was cut short is taken back;
 * after a switch the source, which followed the target all the while, takes the writes again, with every row written since.
 *
 * @throws SplitError `refused` when there is no way back; `different`; `timeout`; `busy`; `interrupted`
 */
export async function reverse(move: Move, options: ReverseOptions): Promise<SwitchReport> {
  if (options.dryRun) return rehearse(move, options.tools);
  return asOnlyRun(move, VERB, options, async (run, state) => {
    assertReversible(state);
    await assertSourceThere(VERB, move);
    const parts = await readParts(move, options.tools);
    if (state.pausedFor === 'switch') {
      const did = await takeBackSwitch(run, parts, 'A run was cut short.', { readPercent: 0 });
      if (did === 'taken_back') return reportOf(run, did, []);
    }
    if (state.pausedFor === 'reverse' && (await takeBackReverse(run, parts, 'A run was cut short.')) === 'reversed')
      return reportOf(run, 'reversed', []);
    if ((await move.state.read()).phase === 'in_step') return readsBack(run, parts);
    return perform(run, parts, options);
  });
}

function assertReversible(state: MoveState): void {
  if (state.phase === 'in_step' || state.phase === 'switched') return;
  throw new SplitError(
    'refused',
    state.phase === 'completed'
      ? `The move of ${state.service} is completed: its source follows no more.`
      : `The move of ${state.service} has not switched anything yet (phase ${state.phase}).`,
    state.phase === 'completed' ? 'Restore a backup, or plan a move back.' : 'There is nothing to take back.',
  );
}

async function rehearse(move: Move, tools: SwitchTools): Promise<SwitchReport> {
  const state = await move.state.read();
  assertReversible(state);
  const report = reportOf(undefined, 'nothing', []);
  if (state.pausedFor === 'switch') return { ...report, would: 'take back a switch that was cut short' };
  if (state.phase === 'in_step')
    return { ...report, would: state.readPercent > 0 ? 'let all reads go to the source' : '' };
  await assertSourceThere(VERB, move);
  const would = `let the source take the writes of ${state.service} again`;
  return { ...report, would, gates: await gatesOf(move, await readParts(move, tools), tools, false) };
}

async function readsBack(run: Run, parts: Parts): Promise<SwitchReport> {
  const { move } = run;
  const { readPercent } = await move.state.read();
  const stuck = await isStuck(move, parts);
  if (readPercent > 0) {
    await changeOwn(run, { readPercent: 0 });
    await move.state.journal(VERB, 'reads-back', { from: readPercent });
  }
  await settle(run, parts);
  return reportOf(run, readPercent > 0 ? 'reads_back' : stuck ? 'taken_back' : 'nothing', []);
}

async function gatesOf(move: Move, parts: Parts, tools: SwitchTools, force: boolean): Promise<Gate[]> {
  const state = await move.state.read();
  return [
    phaseGate(state, 'switched'),
    await sourceGate(move),
    // How far behind it may be is a matter of time only: it is waited for before anything is paused.
    ...(await streamGates(move, parts.reverse, Infinity)),
    await schemaGate(move, tools),
    ...(force ? [] : [await participantsGate(move, state)]),
  ];
}

async function perform(run: Run, parts: Parts, options: ReverseOptions): Promise<SwitchReport> {
  const { move, tools } = run;
  await settle(run, parts);
  const gates = await gatesOf(move, parts, tools, options.force ?? false);
  assertOpen(VERB, move.service.name, gates);
  const pause = new Pause(run, options.pauseTimeoutMs ?? PAUSE_TIMEOUT_MS);
  const failure = await runSteps(run, REVERSE_STEPS, handlersOf(run, parts, pause, options.force ?? false));
  if (!failure) return reportOf(run, 'reversed', gates, pause);
  const { step, error } = failure;
  if (step === 'settle') throw error;
  if (step === 'prepare') {
    await calmly(run, parts).parts.forward.end();
    throw error;
  }
  const because = error instanceof SplitError ? error.message : `${step}: ${String(error)}.`;
  if ((await takeBackReverse(run, parts, because)) === 'reversed') return reportOf(run, 'reversed', gates, pause);
  throw error;
}

function handlersOf(run: Run, parts: Parts, pause: Pause, force: boolean): Handlers<ReverseStep> {
  const { move, tools } = run;
  const { forward, reverse: back } = parts;
  return {
    prepare: async () => {
      await prepareFence(move.databases.source);
      await prepareFence(move.databases.target);
      await forward.capture();
      await back.catchUp(CATCH_UP_MS, move.signal);
    },
    pause: () => pause.begin({ pausedFor: 'reverse' }, { phase: 'switched', writes: 'target' }, force),
    'fence-target': async () => {
      await closeSide(run, parts, 'target', pause.left());
      if (parts.dual) await closeSide(run, parts, 'source', pause.left());
    },
    drain: () => back.catchUp(pause.left(), move.signal),
    sequences: async () => {
      await within(move, pause.left(), 'Advancing sequences', (hurried) => tools.advanceSequences(hurried, 'source'));
      await within(move, pause.left(), 'Taking over', (hurried) => takeOver(hurried, 'source'));
    },
    'verify-delta': async () => {
      const found = await within(move, pause.left(), 'The last comparison', (hurried) =>
        tools.verifyDelta(hurried, 'target'),
      );
      if (found.length > 0)
        throw new SplitError(
          'different',
          `The sides differ in what changed last; all was taken back:\n${listed(found)}`,
          'Run `verify --repair`, and look for who writes to the source.',
        );
    },
    'hand-over': async () => {
      await movingStreams(run, () => back.stop());
      await movingStreams(run, () => forward.skipToNow());
      // Nothing can come before the source is open; a run that is killed right after that leaves the target in step.
      await movingStreams(run, () => forward.start());
    },
    'open-source': () => openSource(run, parts, pause.left()),
    resume: async () => {
      await changeOwn(run, REVERSED);
      return pause.end();
    },
    settle: () => settle(run, calmly(run, parts).parts),
  };
}
