import { readTables } from '../catalogue/read-tables.js';
import { cutKeysOf, noteKeys, validateKeys } from '../switch/cut-keys.js';
import { awaitEpoch } from '../switch/participants.js';
import { type Parts, streamsOf } from '../switch/parts.js';
import { type Handlers, type Run, runSteps } from '../switch/run.js';
import { changeOwn, openSource, restoreMissingKeys } from '../switch/sides.js';
import { ABANDON_STEPS, type AbandonStep } from '../switch/steps.js';
import { removeSourceFence } from './clear-source.js';
import { tidySource } from '../switch/retire.js';

const FOLLOW_TIMEOUT_MS = 5000;
const OPEN_TIMEOUT_MS = 5000;

/**
 * From the claim on the move is `abandoned`: who reads from the target goes back to the source before nothing follows any more, and no other
 * verb takes what is left for something to go on with. What the target knows of the move is still there.
 *
 * @returns instances that had not heard of it in time
 */
export async function giveUp(run: Run): Promise<string[]> {
  const { move } = run;
  const keys = await cutKeysOf(move);
  const parts: Parts = {
    // As far as they are there: somebody may have dropped them.
    tables: {
      source: await move.tables('source'),
      target: await readTables(move.databases.target, move.service.tables),
    },
    keys,
    restorable: await run.tools.restorable(move, keys),
    ...streamsOf(move, run.tools),
    dual: false,
  };
  let late: string[] = [];
  const handlers: Handlers<AbandonStep> = {
    claim: async () => {
      await changeOwn(
        run,
        { phase: 'abandoned', readPercent: 0, shadowPercent: 0, dual: false, verifiedAt: null },
        { epoch: run.own.epoch, writes: 'source' },
      );
    },
    participants: async () => {
      const { missing } = await awaitEpoch(move, run.own.epoch, FOLLOW_TIMEOUT_MS);
      late = missing.map(({ instance }) => instance);
      return late.length > 0 ? { late } : {};
    },
    'open-source': async () => {
      await openSource(run, parts, OPEN_TIMEOUT_MS);
      await restoreMissingKeys(move, parts);
      const dangling = await validateKeys(move, parts.keys);
      await noteKeys(move, parts.keys);
      for (const line of dangling) move.progress.note(`A foreign key does not hold for all rows: ${line}`);
    },
    'end-streams': async () => {
      await parts.reverse.end();
      await parts.forward.end();
    },
    'tidy-source': async () => {
      await removeSourceFence(move);
      await tidySource(move);
    },
  };
  const failure = await runSteps(run, ABANDON_STEPS, handlers);
  if (failure) throw failure.error;
  return late;
}
