/** Runs work on `count` things and resolves with how many of them a second that was. */
export async function timed(count: number, work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return count / ((performance.now() - began) / 1000);
}
