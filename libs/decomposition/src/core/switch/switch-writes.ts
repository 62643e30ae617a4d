import { SplitError } from '../errors.js';
import { fence, fencedTables, prepareFence } from '../fence/fence.js';
import { type Move } from '../move.js';
import {
  assertOpen,
  assertSourceThere,
  type Gate,
  participantsGate,
  phaseGate,
  schemaGate,
  sourceGate,
  streamGates,
  verifiedGate,
} from './gates.js';
import { type Parts, readParts } from './parts.js';
import { Pause, PAUSE_TIMEOUT_MS } from './pause.js';
import { reportOf, type SwitchReport } from './report.js';
import { asOnlyRun, calmly, type Handlers, runSteps, type Run, type VerbOptions } from './run.js';
import { settle } from './settle.js';
import { CLOSED, closeSide, movingStreams, openTarget } from './sides.js';
import { SWITCH_STEPS, type SwitchStep } from './steps.js';
import { takeBackSwitch } from './take-back.js';
import { listed, type SwitchTools } from './tools.js';
import { takeOver } from './take-over.js';
import { within } from './within.js';

export interface SwitchWritesOptions extends VerbOptions {
  /** How long writes may stand still; afterwards all is taken back. Milliseconds, default 5000. */
  pauseTimeoutMs?: number;
}

const VERB = 'switch-writes';

/**
 * Lets the target take the writes, with the source in step behind it: SWITCH_STEPS, in their order. Until the flip everything is taken
 * back when something fails or takes too long. A run that was killed is not gone on with: the next one takes it back first, so that
 * requests that have waited all the while are answered, and begins again; after the flip it does what is left to do.
 *
 * @throws SplitError `refused` when a gate does not hold or an instance does not pause; `different`; `timeout`; `busy`; `interrupted`
 */
export async function switchWrites(move: Move, options: SwitchWritesOptions): Promise<SwitchReport> {
  if (options.dryRun) {
    await assertSourceThere(VERB, move);
    const parts = await readParts(move, options.tools);
    const gates = await gatesOf(move, parts, options.tools);
    return {
      ...reportOf(undefined, 'nothing', gates),
      would: `let the target of ${move.service.name} take the writes`,
    };
  }
  return asOnlyRun(move, VERB, options, async (run, state) => {
    if (!['in_step', 'switched'].includes(state.phase)) assertOpen(VERB, state.service, [phaseGate(state, 'in_step')]);
    if (state.pausedFor === 'reverse')
      throw new SplitError('refused', `A reverse of ${state.service} was cut short.`, 'Run `reverse` to finish it.');
    await assertSourceThere(VERB, move);
    if (state.phase === 'in_step') await options.tools.noteCutKeys(move);
    const parts = await readParts(move, options.tools);
    if (state.writes === 'paused') await takeBackSwitch(run, parts, 'A run was cut short.');
    else await settle(run, parts);
    if ((await move.state.read()).phase === 'switched') return reportOf(run, 'nothing', []);
    const gates = await gatesOf(move, parts, options.tools);
    assertOpen(VERB, state.service, gates);
    return perform(run, parts, gates, options.pauseTimeoutMs ?? PAUSE_TIMEOUT_MS);
  });
}

async function gatesOf(move: Move, parts: Parts, tools: SwitchTools): Promise<Gate[]> {
  const state = await move.state.read();
  return [
    phaseGate(state, 'in_step'),
    await sourceGate(move),
    await verifiedGate(move, state),
    ...(await streamGates(move, parts.forward)),
    await schemaGate(move, tools),
    await participantsGate(move, state),
  ];
}

async function perform(run: Run, parts: Parts, gates: Gate[], pauseTimeoutMs: number): Promise<SwitchReport> {
  const pause = new Pause(run, pauseTimeoutMs);
  const failure = await runSteps(run, SWITCH_STEPS, handlersOf(run, parts, pause));
  if (!failure) return reportOf(run, 'switched', gates, pause);
  const { step, error } = failure;
  if (step === 'settle') throw error;
  if (step === 'prepare') {
    await calmly(run, parts).parts.reverse.end();
    throw error;
  }
  const because = error instanceof SplitError ? error.message : `${step}: ${String(error)}.`;
  // An answer to the flip that did not arrive says nothing: the state does.
  if ((await takeBackSwitch(run, parts, because)) === 'switched') return reportOf(run, 'switched', gates, pause);
  throw error;
}

function handlersOf(run: Run, parts: Parts, pause: Pause): Handlers<SwitchStep> {
  const { move, tools } = run;
  const { forward, reverse } = parts;
  return {
    prepare: async () => {
      await prepareFence(move.databases.source);
      await keepTargetClosed(move, parts);
      const { clean, differences } = await tools.verify(move, { full: false });
      if (!clean)
        throw new SplitError('different', `The sides differ:\n${listed(differences)}`, 'Run `verify --repair`.');
      // Now, because it waits for transactions that are under way.
      await reverse.capture();
    },
    pause: () => pause.begin({ pausedFor: 'switch' }, { phase: 'in_step', writes: 'source' }),
    'fence-source': async () => {
      await closeSide(run, parts, 'source', pause.left());
      if (parts.dual) await closeSide(run, parts, 'target', pause.left());
    },
    drain: () => forward.catchUp(pause.left(), move.signal),
    sequences: async () => {
      await within(move, pause.left(), 'Advancing sequences', (hurried) => tools.advanceSequences(hurried, 'target'));
      await within(move, pause.left(), 'Taking over', (hurried) => takeOver(hurried, 'target'));
    },
    'verify-delta': async () => {
      const found = await within(move, pause.left(), 'The last comparison', (hurried) =>
        tools.verifyDelta(hurried, 'source'),
      );
      if (found.length > 0)
        throw new SplitError(
          'different',
          `The sides differ in what changed last; all was taken back:\n${listed(found)}`,
          'Run `verify --repair`, and look for who writes to the target.',
        );
    },
    'hand-over': async () => {
      await movingStreams(run, () => forward.stop());
      await movingStreams(run, () => reverse.skipToNow());
    },
    flip: async () => {
      await openTarget(run, parts, { phase: 'switched', writes: 'target', pausedFor: null }, pause.left());
      return pause.end();
    },
    settle: () => settle(run, calmly(run, parts).parts),
  };
}

/** It is closed from birth; should somebody have opened it, `verify` finds what was written. */
async function keepTargetClosed(move: Move, { tables: { target: tables }, dual }: Parts): Promise<void> {
  const { target } = move.databases;
  await prepareFence(target);
  if ((await fencedTables(target, tables)).length < tables.length)
    await fence(target, tables, { reason: CLOSED.target, dual });
}
