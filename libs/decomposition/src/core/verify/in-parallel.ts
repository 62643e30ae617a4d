/** Works on what an iterable gives, several at once; the first error stops all. */
export async function inParallel<T>(
  items: AsyncIterable<T>,
  workers: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let failed = false;
  // One at a time asks for the next item.
  let asking: Promise<unknown> = Promise.resolve();
  const next = (): Promise<IteratorResult<T, unknown>> => {
    const answer = asking.then(() => iterator.next());
    asking = answer.catch(() => undefined);
    return answer;
  };
  const worker = async (): Promise<void> => {
    try {
      while (!failed) {
        const result = await next();
        if (result.done) return;
        await work(result.value);
      }
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: workers }, worker));
  const rejected = results.find((result) => result.status === 'rejected');
  if (rejected) throw rejected.reason;
}
