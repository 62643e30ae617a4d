import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { SplitError } from '../errors.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { markDeferred, readDeferred, type Deferred } from './deferred-store.js';
import { isThere } from './is-there.js';
import { movedOtherEnds } from './moved-other-ends.js';

export interface DeferredOptions {
  /** Only these; all by default. */
  kinds?: readonly Deferred['kind'][];
  /** For one attempt to have a table; writers wait behind it meanwhile. On the source only: the target's may take their time. */
  lockTimeoutMs?: number;
  /** For all attempts. Milliseconds, default 5000 on the source and 60,000 on the target. */
  timeoutMs?: number;
}

const STEP = 'indexes and constraints';
const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK = '40P01';

/**
 * Makes what was deferred on one side, in order: unique constraints and indexes before foreign keys, those first unchecked and then
 * validated, triggers last. Each is one transaction with the note that it is there, so it can be interrupted anywhere and goes on.
 * Indexes are made by a plain CREATE INDEX: on the target nobody writes but the stream, which waits meanwhile and then catches up.
 * On the source these are the foreign keys that the switch cut, unchecked for rows that are there; one whose other table lives
 * with a service that has switched is left alone.
 *
 * @throws SplitError `refused` when PostgreSQL does not accept one, `interrupted`, `timeout`
 */
export async function makeDeferred(move: Move, side: Side, options: DeferredOptions = {}): Promise<void> {
  const rows = (await readDeferred(move, side)).filter((row) => !row.present && wanted(row, options));
  const moved = side === 'source' ? await movedOtherEnds(move, rows) : new Set<Deferred>();
  await each(
    move,
    side,
    rows.filter((row) => !moved.has(row)),
    options,
    async (row, client) => {
      if (!(await isThere(client, row))) await client.query(row.make);
      return true;
    },
  );
}

/** Takes away what is there, in the opposite order. As safe to repeat. @throws SplitError as `makeDeferred` */
export async function dropDeferred(move: Move, side: Side, options: DeferredOptions = {}): Promise<void> {
  const rows = (await readDeferred(move, side)).filter((row) => row.present && wanted(row, options)).reverse();
  await each(move, side, rows, options, async (row, client) => {
    if (row.unmake !== '' && (await isThere(client, row))) await client.query(row.unmake);
    return false;
  });
}

function wanted({ kind }: Deferred, { kinds }: DeferredOptions): boolean {
  return kinds === undefined || kinds.includes(kind);
}

async function each(
  move: Move,
  side: Side,
  rows: readonly Deferred[],
  options: DeferredOptions,
  work: (row: Deferred, client: pg.ClientBase) => Promise<boolean>,
): Promise<void> {
  for (const [index, row] of rows.entries()) {
    if (move.signal.aborted)
      throw new SplitError('interrupted', `Stopped before ${row.name} of ${row.table}.`, 'Run the verb again.');
    move.progress.at(STEP, index, rows.length, 'objects');
    const present = await attempt(row, side, options, () =>
      inTransaction(move.databases[side], async (client) => {
        if (side === 'source') await client.query(`SET LOCAL lock_timeout = ${options.lockTimeoutMs ?? 300}`);
        // Only these belong to whoever makes them; all others to the owner of their table.
        if (row.kind === 'statistics')
          await client.query(`SET LOCAL ROLE ${escapeIdentifier(move.service.owner.name)}`);
        const done = await work(row, client);
        await client.query('RESET ROLE');
        if (side === 'target') await markDeferred(move, side, row, done, client);
        return done;
      }),
    );
    if (side === 'source') await markDeferred(move, side, row, present);
  }
  if (rows.length > 0) move.progress.at(STEP, rows.length, rows.length, 'objects');
}

async function attempt<T>(row: Deferred, side: Side, options: DeferredOptions, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + (options.timeoutMs ?? (side === 'source' ? 5000 : 60_000));
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      // Also on the target, where participants write halves.
      if (code === LOCK_NOT_AVAILABLE || code === DEADLOCK) {
        if (Date.now() < deadline) continue;
        throw new SplitError(
          'timeout',
          `${row.table} was in use all the time: ${row.kind} ${row.name} could not be changed.`,
          'Look for long transactions in pg_stat_activity (xact_start), let them end, and run the verb again.',
          { cause: error },
        );
      }
      if (code === undefined || code.length !== 5) throw error;
      throw new SplitError(
        'refused',
        `${row.kind} ${row.name} of ${row.table}, on the ${side}: PostgreSQL says "${message}".`,
        'Mend the rows that it speaks of, on the side that takes writes, and run the verb again.',
        { cause: error },
      );
    }
  }
}
