import { SplitError } from '../errors.js';
import { fence, fencedTables, unfence } from '../fence/fence.js';
import { lockedTransaction } from '../fence/locked-transaction.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { type MoveState } from '../state/move-state.js';
import { type MoveChange, type MoveExpectation } from '../state/move-store.js';
import { cutKeys, missingKeys, restoreKeys } from './cut-keys.js';
import { type Parts } from './parts.js';
import { type Run } from './run.js';

/**
 * Opening and closing sides, safe against a run that has lost its turn and does not know it yet (stopped, or cut off, between two
 * statements). The target opens in the transaction that changes the state. The source is another database, so whoever opens it locks
 * its tables first and looks then whether the epoch is still its own; and whoever takes over makes a new epoch first and
 * locks the source's tables then. So a run that still sees its own epoch has the lock, and the next one finds what it did.
 */

export const CLOSED: Readonly<Record<Side, string>> = {
  source: 'Its service has a database of its own now, or is about to get one.',
  target: 'Its service still works on the shared database.',
};

/** A new epoch for this run, and with it perhaps a change. @throws SplitError `busy` */
export async function changeOwn(
  { move, own }: Run,
  change: MoveChange,
  from: MoveExpectation = { epoch: own.epoch },
): Promise<MoveState> {
  const state = await move.state.change(change, from);
  own.epoch = state.epoch;
  return state;
}

/**
 * To be asked right before what another run could not undo. A log that is skipped or ended cannot be locked as tables can: there a
 * moment remains, and only a run that lost its connection in that very moment, and slept through another one's whole switch, could use it.
 *
 * @throws SplitError `busy` when another run has taken over
 */
export async function assertOwn({ move, own }: Run): Promise<void> {
  const now = await move.state.read();
  if (now.epoch === own.epoch) return;
  throw new SplitError(
    'busy',
    `The move of ${move.service.name} is not as it was (phase ${now.phase}, writes ${now.writes}): another run has taken over.`,
    'Look at `status`, and run the verb again.',
  );
}

/**
 * Starting and ending a stream may tell participants something (`dual`), and so make an epoch: it is this run's, as long as it has the turn.
 *
 * @throws SplitError `busy`, `interrupted`
 */
export async function movingStreams(run: Run, work: () => Promise<void>): Promise<void> {
  const { move, own, turn } = run;
  await assertOwn(run);
  const { phase, writes, pausedFor } = await move.state.read();
  await work();
  const now = await move.state.read();
  await turn.assertHeld();
  if (now.phase === phase && now.writes === writes && now.pausedFor === pausedFor) own.epoch = now.epoch;
}

/** Closes a side to all writes; the source also loses the foreign keys that the split cuts, in the same transaction. */
export async function closeSide(run: Run, parts: Parts, side: Side, timeoutMs: number): Promise<void> {
  const { move } = run;
  await fence(move.databases[side], parts.tables[side], {
    reason: CLOSED[side],
    dual: false,
    timeoutMs,
    signal: move.signal,
    within: async (client) => {
      await assertOwn(run);
      if (side === 'source') await cutKeys(client, parts.keys);
    },
  });
}

/** After a switch the closed side takes the halves of participants that write both. */
export async function letHalvesIn(move: Move, { dual, tables }: Parts, side: Side): Promise<void> {
  if (dual) await fence(move.databases[side], tables[side], { reason: CLOSED[side], dual: true, timeoutMs: 10_000 });
}

/**
 * Opens the source, with the foreign keys that were cut back in place, unless somebody's transaction does not let them: then without,
 * and they are made again later. Idempotent; waits for nobody when it is open.
 *
 * @throws SplitError `busy` when another run has taken over, `timeout`
 */
export async function openSource(run: Run, { tables, restorable: keys }: Parts, timeoutMs: number): Promise<void> {
  const { move } = run;
  const { source } = move.databases;
  const open = (withKeys: boolean, ms: number): Promise<void> =>
    lockedTransaction(source, tables.source, { timeoutMs: ms }, async (client) => {
      await assertOwn(run);
      if (withKeys) await restoreKeys(client, keys);
      await unfence(client, tables.source);
    });
  if ((await fencedTables(source, tables.source)).length === 0 && !(await missingKeys(move, keys))) return;
  if (keys.length > 0) {
    try {
      return await open(true, timeoutMs / 2);
    } catch (error) {
      if (error instanceof SplitError && error.code === 'busy') throw error;
    }
  }
  await open(false, timeoutMs);
}

/** Opens the target and changes the state in one transaction. @throws SplitError `busy`, `timeout` */
export async function openTarget(
  { move, own }: Run,
  { tables }: Parts,
  change: MoveChange,
  timeoutMs: number,
): Promise<void> {
  const { target } = move.databases;
  const { epoch } = await lockedTransaction(target, tables.target, { timeoutMs }, async (client) => {
    await unfence(client, tables.target);
    return move.state.change(change, { epoch: own.epoch }, client);
  });
  own.epoch = epoch;
}

/** Whether anything of the source is open, for certain: who is about to open it is waited for. To be asked with an epoch of one's own. */
export async function sourceIsOpen({ databases: { source } }: Move, { tables }: Parts): Promise<boolean> {
  const all = tables.source.length;
  if ((await fencedTables(source, tables.source)).length < all) return true;
  return lockedTransaction(source, tables.source, {}, async (client) => {
    return (await fencedTables(client, tables.source)).length < all;
  });
}

/** Makes keys again that `openSource` could not. */
export async function restoreMissingKeys(move: Move, { restorable: keys }: Parts): Promise<void> {
  if (!(await missingKeys(move, keys))) return;
  await inTransaction(move.databases.source, async (client) => {
    await client.query('SET LOCAL lock_timeout = 2000');
    await restoreKeys(client, keys);
  });
}
