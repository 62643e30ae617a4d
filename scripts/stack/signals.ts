const DEBOUNCE_MS = 2_000;

/**
 * Calls `onStop` at the first request to stop, and `onHurry` at one that comes later. A request is SIGINT, SIGTERM, SIGHUP
 * or the loss of the process that started us. A Ctrl-C reaches us twice, from the terminal and through npm: what follows
 * within 2 s counts as the same. Returns a function that ends this; signals are still caught, and ignored.
 */
export function onStopRequest(onStop: () => void, onHurry: () => void): () => void {
  let ended = false;
  let first: number | undefined;
  const request = (): void => {
    if (ended) return;
    if (first === undefined) {
      first = Date.now();
      onStop();
    } else if (Date.now() - first > DEBOUNCE_MS) {
      onHurry();
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, request);
  if (process.connected) process.once('disconnect', request);
  return () => {
    ended = true;
  };
}
