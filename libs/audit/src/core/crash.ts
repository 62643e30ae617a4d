/**
 * For what cannot fail unless there is a bug: ends the process, as an unhandled rejection does. Going on would be worse than starting
 * again, because what was accepted is in the spool.
 */
export function crash(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
