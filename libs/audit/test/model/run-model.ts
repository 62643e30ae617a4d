import fc from 'fast-check';
import { steps } from './commands.js';
import { Play } from './play.js';
import { setups, type Setup } from './setup.js';
import { World } from './world.js';

const MAX_STEPS = 60;
/** Making a counterexample smaller stops then; the smallest so far is reported. */
const TIME_LIMIT_MS = 40_000;

/** A counterexample, as a failure prints it. */
export interface Pin {
  seed: number;
  path: string;
  /** Which of the steps had taken place. */
  replayPath?: string;
}

/**
 * Plays random steps against a logger and the model.
 *
 * @param runs how many; with a pin it is played alone, as it is
 * @throws Error with the steps that lead to the failure, what the loggers said, and the pin
 */
export async function runModel(runs: number, pin?: Pin): Promise<void> {
  const commands = fc.commands([steps], {
    maxCommands: MAX_STEPS,
    size: 'max',
    ...(pin?.replayPath !== undefined && { replayPath: pin.replayPath }),
  });
  const property = fc.asyncProperty(setups, commands, (setup, steps) =>
    withPlay(setup, (play) => fc.asyncModelRun(() => ({ model: play.model, real: play }), steps)),
  );
  const details = await fc.check(property, {
    interruptAfterTimeLimit: TIME_LIMIT_MS,
    ...(pin ? { seed: pin.seed, path: pin.path, endOnFailure: true, numRuns: 1 } : { numRuns: runs }),
  });
  if (!details.failed) return;
  const { seed, counterexamplePath: path, counterexample } = details;
  const replayPath = /replayPath="([^"]*)"/.exec(fc.stringify(counterexample))?.[1];
  throw new Error(
    `${(await fc.asyncDefaultReportMessage(details)) ?? ''}\n\nTo pin it: ${JSON.stringify({ seed, path, replayPath })}`,
    { cause: details.errorInstance },
  );
}

/** Brings what was begun to its end, and checks it. @throws Error with what the loggers said */
export async function withPlay(setup: Setup, act: (play: Play) => Promise<void>): Promise<void> {
  const world = await World.create(setup);
  try {
    const play = new Play(world);
    await act(play);
    await play.end();
  } catch (error) {
    throw new Error(`${message(error)}\n\nwhat the loggers said:\n${world.said.join('\n')}\n`, { cause: error });
  } finally {
    await world.dispose();
  }
}

function message(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
