import { withConnection } from '#database';
import { quoted } from '../catalogue/table.js';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { leaderOf, type MoveState, type Phase } from '../state/move-state.js';
import { openStream } from '../stream/open-stream.js';
import { type Stream } from '../stream/stream.js';
import { throwIfStopped } from '../wait-until.js';
import { catchUpPatiently } from './catch-up-patiently.js';
import { copiedTables, copyChunks, type CopiedTable } from './copy-chunks.js';
import { finishInStep } from './finish-in-step.js';
import { followAnew, type Mend } from './follow-anew.js';
import { planChunks } from './plan-chunks.js';

/** In this order; each may be repeated. */
export const COPY_STEPS = [
  /** Changes of the source are kept from here on. */
  'captured',
  /** The tables are cut into chunks. */
  'planned',
  /** All chunks are on the target. */
  'copied',
  'analyzed',
  /** The stream applies changes, and has passed what was copied. */
  'caught_up',
  /** What only served the copy is gone. */
  'settled',
  /** Indexes and constraints that had to wait are there. */
  'finished',
  'in_step',
] as const;
export type CopyStep = (typeof COPY_STEPS)[number];

export interface CopyOptions {
  /** Stops after this step; the next run goes on from there. Default `in_step`. */
  until?: CopyStep;
  /**
   * Makes what must not be there while changes are repeated onto rows that were read later: indexes that are unique beyond the key, foreign
   * keys. Idempotent. Default: nothing.
   */
  finish?: (move: Move) => Promise<void>;
  /** Takes it away again, before rows are copied anew. Idempotent. Default: nothing. */
  unfinish?: (move: Move) => Promise<void>;
  /** For a side that has missed changes. Default: that is refused. */
  mend?: Mend;
  /** Default: by the strategy of the service. */
  openStream?: typeof openStream;
}

export interface CopyReport {
  phase: Phase;
  /** The last step that was done. */
  step: CopyStep;
  tables: readonly CopiedTable[];
  /** Of all tables, as they were when they were copied. */
  rows: number;
  seconds: number;
}

const SETTLE_TIMEOUT_MS = 10 * 60_000;

/**
 * Copies the source's rows, chunk by chunk, while it takes writes, and leaves the target following it: phase `in_step`. Whoever is stopped
 * or killed runs it again: chunks that are done stay done. A side that follows already, and has missed changes, is made equal.
 * The caller has the move's turn.
 *
 * @throws SplitError `not_created`, `refused` when the move is past that, `different` when the target has rows that nothing brought there,
 * `interrupted`, `timeout`
 */
export async function copy(move: Move, options: CopyOptions = {}): Promise<CopyReport> {
  const { until = 'in_step' } = options;
  const begin = Date.now();
  const state = await move.state.read();
  if (state.phase === 'completed') throw livesOnTarget(state);
  if (state.phase === 'abandoned')
    throw new SplitError(
      'refused',
      `The move of ${state.service} is being given up.`,
      'Run `abandon` again, and then `create`.',
    );
  const report = async (step: CopyStep): Promise<CopyReport> => {
    const [{ phase }, tables] = [await move.state.read(), await copiedTables(move, await move.tables('source'))];
    const rows = tables.reduce((sum, table) => sum + table.rows, 0);
    return { phase, step, tables, rows, seconds: (Date.now() - begin) / 1000 };
  };
  const stream = (options.openStream ?? openStream)(move, leaderOf(state));
  if (state.phase === 'in_step' || state.phase === 'switched') {
    await keepFollowing(move, state, stream, options);
    return report('in_step');
  }
  const steps = stepsOf(move, stream, options);
  for (const step of COPY_STEPS) {
    throwIfStopped(move.signal);
    const started = Date.now();
    await steps[step]();
    await move.state.journal('copy', step, { ms: Date.now() - started });
    if (step === until) return report(step);
  }
  return report('in_step');
}

/** Of a move that is through with copying. @throws SplitError `refused` when the rows live on the target, which is followed well */
async function keepFollowing(move: Move, state: MoveState, stream: Stream, { mend }: CopyOptions): Promise<void> {
  const { service, phase, writes, readPercent } = state;
  if ((await stream.copyAid?.isIntact()) !== false && !(await move.state.hasMissed())) {
    if (phase === 'switched') throw livesOnTarget(state);
    return;
  }
  const reason =
    writes === 'paused'
      ? { what: 'a switch is under way, or was cut short', next: 'Run `reverse`, or its verb again, first.' }
      : phase === 'in_step' && readPercent > 0
        ? { what: 'the target serves reads meanwhile', next: 'Run `switch-reads --percent 0` first.' }
        : undefined;
  if (!mend || reason)
    throw new SplitError(
      'refused',
      `${service} cannot be followed anew: ${reason?.what ?? 'nobody can compare'}.`,
      reason?.next,
    );
  await followAnew(move, stream, mend);
}

function livesOnTarget({ service, phase }: MoveState): SplitError {
  return new SplitError(
    'refused',
    `The move of ${service} is ${phase}: its rows live on the target.`,
    'Run `reverse` to bring it back.',
  );
}

function stepsOf(move: Move, stream: Stream, options: CopyOptions): Record<CopyStep, () => Promise<void>> {
  const { databases, signal } = move;
  return {
    captured: () => capture(move, stream, options),
    planned: async () => planChunks(move, await move.tables('source')),
    copied: async () => copyChunks(move, stream, await move.tables('source')),
    analyzed: async () => {
      for (const table of await move.tables('target')) {
        throwIfStopped(signal);
        await databases.target.query(`ANALYZE ${quoted(table)}`);
      }
    },
    caught_up: async () => {
      await stream.start({ afterCopy: true });
      await catchUpPatiently(move, stream);
    },
    settled: async () => stream.copyAid?.settle(SETTLE_TIMEOUT_MS),
    finished: async () => {
      if (options.finish) await finishInStep(move, stream, options.finish);
      await catchUpPatiently(move, stream);
    },
    in_step: async () => {
      await move.state.change({ phase: 'in_step' }, { phase: 'copying' });
    },
  };
}

async function capture(move: Move, stream: Stream, options: CopyOptions): Promise<void> {
  const { phase } = await move.state.read();
  if (phase === 'copying' && (await stream.copyAid?.isIntact()) === false) {
    move.progress.note('Changes since the copy began were missed: it begins anew.');
    await startOver(move, stream, options);
  }
  await stream.capture();
  if (phase === 'created') await move.state.change({ phase: 'copying' }, { phase: 'created' });
}

/** Until the stream captures again, the next run finds that changes were missed, and begins here once more. */
async function startOver(move: Move, stream: Stream, { unfinish }: CopyOptions): Promise<void> {
  await stream.end();
  await unfinish?.(move);
  const { target } = move.databases;
  const tables = (await move.tables('target')).map(quoted).join(', ');
  await withConnection(target, async (client) => {
    await client.query('BEGIN; SET LOCAL session_replication_role = replica');
    await client.query(`TRUNCATE ${tables}`);
    for (const kept of ['chunks', 'rekeyed'])
      await client.query(`DELETE FROM decomposition.${kept} WHERE service = $1`, [move.service.name]);
    await move.state.journal('copy', 'started_over', {}, client);
    await client.query('COMMIT');
  });
}
