import { SplitError } from '../errors.js';
import { fencedTables } from '../fence/fence.js';
import { type Move } from '../move.js';
import { otherSide } from '../side.js';
import { type Stream } from '../stream/stream.js';
import { noteKeys, validateKeys } from './cut-keys.js';
import { type Parts } from './parts.js';
import { type Run } from './run.js';
import { assertOwn, letHalvesIn, movingStreams, openSource, restoreMissingKeys } from './sides.js';

const OPEN_TIMEOUT_MS = 5000;

/**
 * Makes everything fit a state at rest, whatever a run that was cut short has left: the side that takes writes is open and followed by
 * the other, nothing flows the other way, foreign keys are where they belong. Does nothing while writes are paused.
 *
 * @returns for the journal
 * @throws SplitError `busy` when another run has taken over
 */
export async function settle(run: Run, parts: Parts): Promise<object> {
  const { move } = run;
  const { phase, writes } = await move.state.read();
  const { forward, reverse, keys } = parts;
  await assertOwn(run);
  if (phase === 'in_step' && writes === 'source') {
    await openSource(run, parts, OPEN_TIMEOUT_MS);
    await movingStreams(run, () => follow(move, forward));
    await movingStreams(run, () => reverse.end());
    await letHalvesIn(move, parts, 'target');
    await restoreMissingKeys(move, parts);
    const dangling = await validateKeys(move, keys);
    await noteKeys(move, keys);
    for (const line of dangling) move.progress.note(`A foreign key does not hold for all rows: ${line}`);
    return dangling.length > 0 ? { dangling } : {};
  }
  if (phase === 'switched' && writes === 'target') {
    await movingStreams(run, () => follow(move, reverse));
    await movingStreams(run, () => forward.end());
    await letHalvesIn(move, parts, 'source');
    await noteKeys(move, keys);
  }
  return {};
}

async function follow({ service }: Move, stream: Stream): Promise<void> {
  try {
    await stream.start();
  } catch (error) {
    if (error instanceof SplitError) throw error;
    throw new SplitError(
      'refused',
      `The ${otherSide(stream.from)} of ${service.name} cannot follow the ${stream.from}: ${(error as Error).message}.`,
      'Look at the logs of both servers: without what it follows by, it lacks what was written since.',
      { cause: error },
    );
  }
}

/** Whether the source is closed although the state says that it takes writes. */
export async function isStuck({ databases: { source } }: Move, { tables }: Parts): Promise<boolean> {
  return (await fencedTables(source, tables.source)).length > 0;
}
