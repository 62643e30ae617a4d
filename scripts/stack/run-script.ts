/**
 * Runs a script that does one thing and ends. What it throws is printed without a stack (the messages say what to do) and
 * makes the exit code 1.
 */
export async function runScript(work: () => Promise<number | void>): Promise<void> {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
  if (process.connected) process.disconnect?.();
}
