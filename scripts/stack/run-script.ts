import { CommanderError } from 'commander';

/**
 * Runs a script that does one thing and ends. What it throws is printed without a stack (the messages say what to do) and
 * makes the exit code 1, or another one for a script whose 1 is a finding. Of a command with `exitOverride` the same goes for its usage.
 */
export async function runScript(work: () => Promise<number | void>, failureCode = 1): Promise<void> {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    // Commander has said what is wrong, or has printed the help that was asked for.
    const told = error instanceof CommanderError;
    if (!told) process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = told && error.exitCode === 0 ? 0 : failureCode;
  }
  if (process.connected) process.disconnect?.();
}
