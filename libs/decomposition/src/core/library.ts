import { abandon } from './abandon/abandon.js';
import { backup } from './backup/backup.js';
import { restore } from './backup/restore.js';
import { type Manifest } from './backup/manifest.js';
import { fullName } from './catalogue/table.js';
import { copy } from './copy/copy.js';
import { create } from './create/create.js';
import { noteCutKeys } from './create/cut-foreign-keys.js';
import { dropDeferred, makeDeferred } from './create/deferred.js';
import { readDeferred } from './create/deferred-store.js';
import { driftOf } from './create/drift.js';
import { followPartitions } from './create/follow-partitions.js';
import { movedOtherEnds } from './create/moved-other-ends.js';
import { type Move } from './move.js';
import { checkPlan } from './plan/check-plan.js';
import { otherSide } from './side.js';
import { leaderOf } from './state/move-state.js';
import { openStream } from './stream/open-stream.js';
import { complete } from './switch/complete.js';
import { type CutKey } from './switch/cut-keys.js';
import { reverse } from './switch/reverse.js';
import { switchReads } from './switch/switch-reads.js';
import { switchWrites } from './switch/switch-writes.js';
import { type SwitchTools } from './switch/tools.js';
import { withTurn } from './turn.js';
import { type BackupResult, type ReadsResult, type Verbs } from './verbs.js';
import { advanceSequences } from './verify/advance-sequences.js';
import { type Difference } from './verify/verification.js';
import { verifyDelta } from './verify/verify-delta.js';
import { verify } from './verify/verify.js';

const tools: SwitchTools = {
  openStream,
  verify: (move, { full }) => verbs.verify(move, { full, repair: false }),
  verifyDelta: (move, from) => verifyDelta(move, from, { stream: openStream(move, from) }),
  advanceSequences,
  noteCutKeys,
  restorable,
  driftOf,
};

/** All verbs, each with what it needs of the others. */
export const verbs: Omit<Verbs, 'sample'> = {
  checkPlan,
  backup: async (plan, services, directory, run) => tablesOf(await backup(plan, services, directory, run)),
  restore: async (directory, url, run) => tablesOf(await restore(directory, url, run)),
  create,
  copy: (move) =>
    withTurn(move, 'copy', async () => {
      const report = await copy(move, {
        finish: (one) => makeDeferred(one, 'target'),
        unfinish: (one) => dropDeferred(one, 'target'),
        mend: (one) => verbs.verify(one, { full: true, repair: true }),
      });
      await advanceSequences(move, otherSide(leaderOf(await move.state.read())));
      return report;
    }),
  verify: async (move, options) => {
    await partitions(move);
    const stream = openStream(move, leaderOf(await move.state.read()));
    return verify(move, { ...options, stream, drift: driftAsDifferences });
  },
  switchReads: following<Parameters<Verbs['switchReads']>[1], ReadsResult>(switchReads),
  switchWrites: following(switchWrites),
  reverse: following(reverse),
  complete: following(complete),
  abandon: (move, options) => abandon(move, { ...options, tools }),
  followPartitions,
  openStream,
};

/** A verb, with its tools, that finds on both sides the partitions that either has. */
function following<O extends { dryRun: boolean }, R>(
  verb: (move: Move, options: O & { tools: SwitchTools }) => Promise<R>,
): (move: Move, options: O) => Promise<R> {
  return async (move, options) => {
    if (!options.dryRun) await partitions(move);
    return verb(move, { ...options, tools });
  };
}

/** Beforehand, so that they do not stand in the way. Those that cannot be made do, and a gate says so. */
async function partitions(move: Move): Promise<void> {
  const { name } = move.service;
  try {
    const made = await followPartitions(move);
    if (made.length > 0) move.progress.note(`${name}: made on the other side, too: ${made.join(', ')}`);
  } catch (error) {
    move.progress.note(`${name}: new partitions cannot be made on the other side: ${(error as Error).message}`);
  }
}

async function restorable(move: Move, keys: readonly CutKey[]): Promise<CutKey[]> {
  const moved = [...(await movedOtherEnds(move, await readDeferred(move, 'source')))];
  return keys.filter((key) => !moved.some(({ table, name }) => table === key.table && name === key.name));
}

async function driftAsDifferences(move: Move): Promise<Difference[]> {
  const sentences = await driftOf(move);
  return sentences.map((detail) => ({ table: move.service.name, key: null, kind: 'schema', detail }));
}

function tablesOf({ tables }: Manifest): BackupResult {
  return { tables: tables.map((table) => ({ table: fullName(table), rows: table.rows })) };
}
