import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type MoveState } from '../state/move-state.js';
import { readReport, writeReport } from './complete-report.js';
import {
  assertOpen,
  gate,
  type Gate,
  participantsGate,
  phaseGate,
  schemaGate,
  sourceGate,
  streamGates,
} from './gates.js';
import { awaitEpoch } from './participants.js';
import { streamsOf } from './parts.js';
import { dependentsOf, dropRetired, isLeftToDrop, retire, tablesInPlace, tidy } from './retire.js';
import { asOnlyRun, type Handlers, runSteps, type Run, type StepTime, type VerbOptions } from './run.js';
import { COMPLETE_STEPS, type CompleteStep, DROP_STEPS, type DropStep, type StepName } from './steps.js';
import { listed, type SwitchTools } from './tools.js';

export interface CompleteOptions extends VerbOptions {
  /** How long the source's tables are kept aside. Milliseconds, default 7 days. */
  dropAfterMs?: number;
  /** Drops them at once. Default false. */
  now?: boolean;
  /** Where the report is written; nowhere when not given. */
  reportDir?: string;
}

export interface CompleteReport {
  /** `nothing`: they are aside, and it is too early to drop them; or a dry run; or all was done before. */
  did: 'nothing' | 'retired' | 'dropped';
  would: string;
  gates: readonly Gate[];
  /** When the tables may be dropped; null when that is not said yet, or they are gone. */
  drop_after: Date | null;
  /** Files. */
  report: readonly string[];
  steps: readonly StepTime[];
}

const VERB = 'complete';
const WEEK_MS = 7 * 24 * 3600 * 1000;
const FOLLOW_TIMEOUT_MS = 5000;

/**
 * Ends a move: after a last full verification nothing follows any more, and the source's tables are put aside; run again when their time
 * has come, it drops them. There is no way back from here.
 *
 * @throws SplitError `refused`, `different`, `busy`, `timeout`
 */
export async function complete(move: Move, options: CompleteOptions): Promise<CompleteReport> {
  if (options.dryRun) return rehearse(move, options);
  return asOnlyRun(move, VERB, options, async (run, state) => {
    let gates: Gate[] = [];
    let did: CompleteReport['did'] = 'nothing';
    if (state.phase !== 'completed') {
      gates = await gatesOf(move, state, options.tools);
      assertOpen(VERB, state.service, gates);
    }
    if (state.dropAfter === null) {
      // Where it has been concluded already, only what comes after that is left.
      const left = state.phase === 'completed' ? COMPLETE_STEPS.slice(2) : COMPLETE_STEPS;
      await perform(run, left, retiring(run, options.dropAfterMs ?? WEEK_MS));
      did = 'retired';
    }
    if (isDue(await move.state.read(), options) && (did === 'retired' || (await isLeftToDrop(move)))) {
      await perform(run, DROP_STEPS, dropping(move));
      did = 'dropped';
    }
    const dropAfter = await dropAfterOf(move);
    const report = options.reportDir
      ? await writeReport({ ...(await readReport(move)), drop_after: dropAfter }, options.reportDir)
      : [];
    return { did, would: '', gates, drop_after: dropAfter, report, steps: run.times };
  });
}

async function rehearse(move: Move, options: CompleteOptions): Promise<CompleteReport> {
  const state = await move.state.read();
  const gates = state.phase === 'completed' ? [] : await gatesOf(move, state, options.tools);
  const due = state.phase === 'completed' && isDue(state, options) && (await isLeftToDrop(move));
  const retired = options.now ? "put the source's tables aside, and drop them" : "put the source's tables aside";
  const would = due ? 'drop the tables put aside' : state.dropAfter ? '' : retired;
  return { did: 'nothing', would, gates, drop_after: await dropAfterOf(move), report: [], steps: [] };
}

/** Null when nothing is scheduled, or all is gone. */
async function dropAfterOf(move: Move): Promise<Date | null> {
  const { dropAfter } = await move.state.read();
  return dropAfter && (await isLeftToDrop(move)) ? dropAfter : null;
}

function isDue({ dropAfter }: MoveState, { now = false }: CompleteOptions): boolean {
  return now || (dropAfter !== null && dropAfter.getTime() <= Date.now());
}

async function gatesOf(move: Move, state: MoveState, tools: SwitchTools): Promise<Gate[]> {
  const source = await sourceGate(move);
  const dependents = source.ok ? await dependentsOf(move) : [];
  return [
    phaseGate(state, 'switched'),
    source,
    ...(await streamGates(move, tools.openStream(move, 'target'))),
    await schemaGate(move, tools),
    await participantsGate(move, state),
    gate(
      'dependents',
      dependents.length === 0,
      dependents.length === 0 ? 'nothing on the source needs the tables' : `still needed by ${dependents.join(', ')}`,
      'Drop or change what needs the tables.',
    ),
  ];
}

async function perform<S extends StepName>(run: Run, steps: readonly S[], handlers: Handlers<S>): Promise<void> {
  const failure = await runSteps(run, steps, handlers);
  if (failure) throw failure.error;
}

function retiring({ move, tools }: Run, dropAfterMs: number): Handlers<CompleteStep> {
  return {
    verify: async () => {
      const { clean, differences, tables } = await tools.verify(move, { full: true });
      if (!clean)
        throw new SplitError('different', `The sides differ:\n${listed(differences)}`, 'Run `verify --repair`.');
      return { tables: tables.map(({ table, rows }) => ({ table, rows })) };
    },
    conclude: async () => {
      await move.state.change(
        { phase: 'completed', readPercent: 100, shadowPercent: 0, dual: false },
        { phase: 'switched', writes: 'target' },
      );
    },
    'end-streams': async () => {
      // They were ended before anything was put aside.
      if ((await tablesInPlace(move)).length === 0) return {};
      // Who still writes to the source as well, or compares with it, has to hear that it is going.
      const { missing } = await awaitEpoch(move, (await move.state.read()).epoch, FOLLOW_TIMEOUT_MS);
      const { forward, reverse } = streamsOf(move, tools);
      await reverse.end();
      await forward.end();
      return missing.length > 0 ? { late: missing.map(({ instance }) => instance) } : {};
    },
    retire: async () => ({ tables: await retire(move) }),
    schedule: async () => {
      await move.state.change({ dropAfter: new Date(Date.now() + dropAfterMs) }, { phase: 'completed' });
    },
  };
}

function dropping(move: Move): Handlers<DropStep> {
  return {
    drop: async () => ({ tables: await dropRetired(move) }),
    tidy: () => tidy(move),
  };
}
