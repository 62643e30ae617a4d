/** What becomes of a promise within a time. */
export type Outcome = { state: 'resolved' } | { state: 'rejected'; reason: unknown } | { state: 'pending' };

/** Never throws, and never takes longer than `ms`. */
export async function outcomeOf(work: Promise<unknown>, ms: number): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => (timer = setTimeout(() => resolve({ state: 'pending' }), ms)));
  const done = work.then(
    (): Outcome => ({ state: 'resolved' }),
    (reason: unknown): Outcome => ({ state: 'rejected', reason }),
  );
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}
