import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { leaderOf, type MoveState } from '../state/move-state.js';
import { type Stream } from '../stream/stream.js';
import { withTurn } from '../turn.js';
import { advanceSequences } from './advance-sequences.js';
import { CatchUps } from './catch-ups.js';
import { checkChains } from './check-chains.js';
import { checkReferences } from './check-references.js';
import { checkSequences } from './check-sequences.js';
import { readComparisons } from './comparison.js';
import { Findings } from './findings.js';
import { markChanges } from './mark-changes.js';
import { RangeStore } from './range-store.js';
import { type SettleOptions } from './settle.js';
import { type Difference, type Verification } from './verification.js';
import { verifyTable, type TableResult } from './verify-table.js';

export type VerifyStream = Pick<Stream, 'catchUp' | 'changes' | 'underWay'>;

export interface VerifyOptions {
  /** From the side that is authoritative. */
  stream: VerifyStream;
  /** Compares also what was found equal before and has not changed since. */
  full?: boolean;
  /** Makes rows of the follower that differ equal to the leader's. Never writes to the leader. */
  repair?: boolean;
  /** Rows a range, and ranges at a time. Default 16384 and 2. */
  ranges?: { rows?: number; workers?: number };
  /** Looks whether soft references lead somewhere. Default true. */
  references?: boolean;
  /** What has become different between the two schemas. Default: nobody looks. */
  drift?: (move: Move) => Promise<readonly Difference[]>;
}

/**
 * Compares the two sides of a move, while it is in use. A difference is only what still stands once the stream has caught up past the
 * reading. When there is none, the move is verified as of the moment that this began; the first one found takes that away.
 *
 * @throws SplitError `refused` before the copy and after the end, `busy` beside another one, `timeout` when the stream does not catch up,
 * `interrupted` when told to stop
 */
export async function verify(move: Move, options: VerifyOptions): Promise<Verification> {
  try {
    return await withTurn(
      move,
      'verify',
      async () => run(move, comparable(await move.state.read()), options),
      'verify',
    );
  } catch (error) {
    if (!move.signal.aborted) throw error;
    throw new SplitError(
      'interrupted',
      `The verification of ${move.service.name} was told to stop.`,
      'Run `verify` again: what was found equal is not compared again.',
      { cause: error },
    );
  }
}

function comparable(state: MoveState): MoveState {
  if (state.phase === 'in_step' || state.phase === 'switched') return state;
  throw new SplitError(
    'refused',
    `The move of ${state.service} is ${state.phase}: there is nothing to compare.`,
    state.phase === 'completed' ? 'It is done.' : 'Run `copy`, and wait until it is in step.',
  );
}

async function run(move: Move, state: MoveState, options: VerifyOptions): Promise<Verification> {
  const leader = leaderOf(state);
  const started = await clock(move);
  const findings = new Findings(move);
  const { comparisons, differences } = await readComparisons(move, leader);
  await findings.add(differences);
  const drift = options.drift ? await options.drift(move) : null;
  await findings.add(drift ?? []);

  const store = await RangeStore.open(move.databases.target, move.service.name);
  await markChanges(move, options.stream, comparisons, store);
  if (options.full) for (const { name } of comparisons) await store.markAll(name);

  const catchUps = new CatchUps(options.stream, move.signal);
  const total = comparisons.reduce((sum, { estimatedRows }) => sum + estimatedRows, 0);
  let done = 0;
  const onRows = (rows: number): void => {
    done += rows;
    move.progress.at('verify', done, Math.max(total, done), 'rows');
  };
  const tables: TableResult[] = [];
  const from = performance.now();
  for (const comparison of comparisons)
    tables.push(
      await verifyTable(
        {
          ...{ move, leader, catchUps, findings, store, began: started, onRows },
          rangeRows: options.ranges?.rows ?? 16_384,
          workers: options.ranges?.workers ?? 2,
          repair: options.repair ?? false,
          settling: settling(state, options.stream),
        },
        comparison,
      ),
    );
  const seconds = (performance.now() - from) / 1000;
  const compared = tables.reduce((sum, { rows_compared }) => sum + rows_compared, 0);

  const sequences = await verifySequences(move, leader, findings, options.repair ?? false);
  const references =
    options.references === false
      ? { checked: 0, values: 0, dangling: 0 }
      : await checkReferences(move, leader, findings);
  const chains = await checkChains(move, leader, catchUps, findings, options.full ?? false);
  await findings.end(started);

  const verification: Verification = {
    service: move.service.name,
    clean: findings.count === 0,
    full: options.full ?? false,
    started_at: started,
    finished_at: await clock(move),
    tables: tables.map(({ repaired: _, ...table }) => table),
    rows_per_s: Math.round(compared / Math.max(seconds, 0.001)),
    differences: findings.listed,
    difference_count: findings.count,
    repaired: tables.reduce((sum, { repaired }) => sum + repaired, 0) + sequences.repaired,
    sequences: { checked: sequences.checked, behind: sequences.behind },
    references,
    chains,
    drift: drift?.length ?? null,
  };
  await move.state.journal('verify', verification.clean ? 'clean' : 'different', {
    full: verification.full,
    repair: options.repair ?? false,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    rows_compared: compared,
    rows_per_s: verification.rows_per_s,
    differences: verification.difference_count,
    repaired: verification.repaired,
  });
  if (options.repair && !verification.clean)
    move.progress.note(
      'Only rows and sequences of the side that follows are repaired. References, chains and the schema need somebody who knows what is right.',
    );
  return verification;
}

/** A participant that writes both sides writes the follower first: its other half has to get the time to come. */
function settling({ strategy, dual }: MoveState, stream: VerifyStream): SettleOptions {
  if (strategy !== 'dual-write' && !dual) return {};
  return { still: 3, underWay: async (table) => (await stream.underWay?.(table)) ?? [] };
}

async function verifySequences(
  move: Move,
  leader: Side,
  findings: Findings,
  repair: boolean,
): Promise<{ checked: number; behind: number; repaired: number }> {
  const look = async (): ReturnType<typeof checkSequences> => {
    const [source, target] = await Promise.all([move.tables('source'), move.tables('target')]);
    return checkSequences(move, leader, { source, target });
  };
  let found = await look();
  const before = found.differences.length;
  if (repair && before > 0) {
    await advanceSequences(move, otherSide(leader));
    found = await look();
  }
  const behind = found.differences.length;
  await findings.add(found.differences);
  return { checked: found.checked, behind, repaired: before - behind };
}

/** Of the target's server, which the gates are told by, too. */
async function clock(move: Move): Promise<Date> {
  const { rows } = await move.databases.target.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  return rows[0]!.now;
}
