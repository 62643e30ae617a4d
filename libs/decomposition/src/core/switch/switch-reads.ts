import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type MoveState } from '../state/move-state.js';
import { withTurn } from '../turn.js';
import {
  assertOpen,
  type Gate,
  participantsGate,
  phaseGate,
  schemaGate,
  sourceGate,
  streamGates,
  verifiedGate,
} from './gates.js';
import { awaitEpoch } from './participants.js';
import { type VerbOptions } from './run.js';

export interface SwitchReadsOptions extends Pick<VerbOptions, 'tools' | 'dryRun'> {
  /** Share of reads, by key, that the target serves, 0 to 100. */
  percent: number;
  /** Share of reads that are also done on the other side, and compared, 0 to 100. As it is when not given. */
  shadowPercent?: number;
}

export interface SwitchReadsReport {
  did: 'nothing' | 'changed';
  gates: readonly Gate[];
  before: number;
  percent: number;
  shadow_percent: number;
  /** Instances that act by it now. */
  participants: number;
  /** Those that do not yet. */
  late: readonly string[];
}

const VERB = 'switch-reads';
const FOLLOW_TIMEOUT_MS = 5000;

/**
 * Sets the share of reads that the target serves. Less is always allowed; more only when the target is in step and was found equal.
 *
 * @throws SplitError `refused`, `busy`
 */
export async function switchReads(move: Move, options: SwitchReadsOptions): Promise<SwitchReadsReport> {
  for (const percent of [options.percent, options.shadowPercent ?? 0])
    if (!(percent >= 0 && percent <= 100))
      throw new SplitError('refused', `${percent} is no percentage.`, 'Give a number from 0 to 100.');
  if (!Number.isInteger(options.percent))
    throw new SplitError('refused', `${options.percent} is no whole number.`, 'Give a whole number from 0 to 100.');
  if (options.dryRun) {
    const state = await move.state.read();
    return reportOf(state, state, options.percent > state.readPercent ? await gatesOf(move, state, options) : []);
  }
  return withTurn(move, VERB, () => perform(move, options));
}

async function perform(move: Move, options: SwitchReadsOptions): Promise<SwitchReadsReport> {
  const before = await move.state.read();
  const { percent, shadowPercent = before.shadowPercent } = options;
  // Less is the way back, and open at any time that it means something.
  const gates =
    percent > before.readPercent
      ? await gatesOf(move, before, options)
      : [phaseGate({ ...before, writes: 'source' }, 'in_step')];
  assertOpen(VERB, before.service, gates);
  if (percent === before.readPercent && shadowPercent === before.shadowPercent) return reportOf(before, before, gates);
  const after = await move.state.change({ readPercent: percent, shadowPercent }, { phase: 'in_step' });
  await move.state.journal(VERB, 'reads', { from: before.readPercent, to: percent, shadow_percent: shadowPercent });
  const { participants, missing } = await awaitEpoch(move, after.epoch, FOLLOW_TIMEOUT_MS);
  return {
    ...reportOf(before, after, gates),
    participants: participants.length - missing.length,
    late: missing.map(({ instance }) => instance),
  };
}

async function gatesOf(move: Move, state: MoveState, { tools }: SwitchReadsOptions): Promise<Gate[]> {
  return [
    phaseGate(state, 'in_step'),
    await sourceGate(move),
    await verifiedGate(move, state),
    ...(await streamGates(move, tools.openStream(move, 'source'))),
    await schemaGate(move, tools),
    await participantsGate(move, state),
  ];
}

function reportOf(before: MoveState, after: MoveState, gates: readonly Gate[]): SwitchReadsReport {
  return {
    did: before === after ? 'nothing' : 'changed',
    gates,
    before: before.readPercent,
    percent: after.readPercent,
    shadow_percent: after.shadowPercent,
    participants: 0,
    late: [],
  };
}
