import { fencedTables } from '../fence/fence.js';
import { fullName, parseTableName } from '../catalogue/table.js';
import { readTables } from '../catalogue/read-tables.js';
import { inTime } from '../in-time.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { type MoveState } from '../state/move-state.js';
import { type Lag, type Stream } from '../stream/stream.js';
import { retiredTables, tablesInPlace } from '../switch/retire.js';
import { type MoveStatus } from './move-status.js';
import { nextStep } from './next-step.js';
import { readKept, type Kept } from './read-kept.js';

export interface StatusOptions {
  openStream: (move: Move, from: Side) => Pick<Stream, 'lag'> | Promise<Pick<Stream, 'lag'>>;
}

const NO_DATABASE = '3D000';
/** For all that is asked of one server. */
const TIMEOUT_MS = 5000;

/** `up`, or why not. */
type Answer = { up: true } | { up: false; absent: boolean; problem: string };

/** How a move stands. Changes nothing, and never fails: what it cannot read it names in `problems`. */
export async function status(move: Move, options: StatusOptions): Promise<MoveStatus> {
  const [source, target] = await Promise.all([answerOf(move, 'source'), answerOf(move, 'target')]);
  const problems = [source, target].flatMap((one) => (one.up || one.absent ? [] : [one.problem]));
  const tried = async <T>(work: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await inTime(work(), TIMEOUT_MS, `a question about ${move.service.name}`);
    } catch (error) {
      problems.push((error as Error).message);
      return otherwise;
    }
  };
  const state = target.up ? await tried(() => move.state.find(), undefined) : undefined;
  const kept = state ? await tried(() => readKept(move), NOTHING) : NOTHING;
  const lag = source.up && state ? await tried(() => lagOf(move, state, options), null) : null;
  const fenced = {
    source: source.up ? await tried(() => fencedNames(move, 'source'), []) : [],
    target: target.up ? await tried(() => fencedNames(move, 'target'), []) : [],
  };
  const estimate = source.up ? await tried(() => estimatedRows(move), null) : null;
  const facts = {
    service: move.service.name,
    strategy: state?.strategy ?? move.service.strategy,
    phase: state?.phase ?? null,
    writes: state?.writes ?? null,
    paused_for: state?.pausedFor ?? null,
    epoch: state?.epoch ?? null,
    read_percent: state?.readPercent ?? null,
    shadow_percent: state?.shadowPercent ?? null,
    ...kept,
    // Guesses are of no use where the count is known.
    rows_total: kept.chunks.total > 0 && kept.chunks.done === kept.chunks.total ? kept.rows_copied : estimate,
    lag_s: lag?.seconds ?? null,
    changes_missed: state ? await tried(() => hasMissed(move, state, lag), false) : false,
    retained_wal_bytes: lag?.pendingUnit === 'bytes' ? lag.pending : null,
    pending_changes: lag?.pendingUnit === 'changes' ? lag.pending : null,
    verified_at: state?.verifiedAt ?? null,
    old_tables: source.up && state?.phase === 'completed' ? await tried(() => oldTables(move), null) : null,
    drop_after: state?.dropAfter ?? null,
    fenced,
    problems,
  };
  return { ...facts, ...nextStep(facts, target.up || target.absent, new Date()) };
}

async function answerOf({ databases, service }: Move, side: Side): Promise<Answer> {
  try {
    await inTime(databases[side].query('SELECT 1'), TIMEOUT_MS, `the server of the ${side}`);
    return { up: true };
  } catch (error) {
    const absent = side === 'target' && (error as { code?: string }).code === NO_DATABASE;
    // Of several addresses that were tried each has its own.
    const parts = error instanceof AggregateError ? (error.errors as Error[]) : [error as Error];
    const message = parts.map((part) => part.message).join('; ');
    return { up: false, absent, problem: `the ${side} of ${service.name} cannot be reached: ${message}` };
  }
}

/** Of the stream that the phase has. */
async function lagOf(move: Move, { phase }: MoveState, { openStream }: StatusOptions) {
  const leader: Side = phase === 'switched' ? 'target' : 'source';
  if (phase !== 'copying' && phase !== 'in_step' && phase !== 'switched') return null;
  const stream = await openStream(move, leader);
  return stream.lag();
}

/** Of a move that is through with copying: before, `copy` sees to it anyway. */
async function hasMissed(move: Move, { phase }: MoveState, lag: Lag | null): Promise<boolean> {
  if (phase !== 'in_step' && phase !== 'switched') return false;
  return (lag?.lost ?? false) || move.state.hasMissed();
}

async function fencedNames({ databases, service }: Move, side: Side): Promise<string[]> {
  const tables = service.tables.map((text) => ({ ...parseTableName(text), partitioned: false }));
  return (await fencedTables(databases[side], tables)).map(fullName);
}

async function oldTables(move: Move): Promise<MoveStatus['old_tables']> {
  if ((await tablesInPlace(move)).length > 0) return 'in_place';
  return (await retiredTables(move)).length > 0 ? 'aside' : 'gone';
}

async function estimatedRows({ databases, service }: Move): Promise<number> {
  const tables = await readTables(databases.source, service.tables);
  return Math.round(tables.reduce((sum, { estimatedRows: rows }) => sum + rows, 0));
}

const NOTHING: Kept = {
  rows_copied: 0,
  chunks: { done: 0, total: 0 },
  differences_open: 0,
  participants: [],
  last_steps: [],
};
