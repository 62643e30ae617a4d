/** The text of anything thrown, with the texts of its causes: `outer: inner`. For logs, not for callers. */
export function errorMessage(error: unknown, depth = 3): string {
  if (!(error instanceof Error)) return String(error);
  // undici and pg wrap several failed connection attempts in an AggregateError with an empty message.
  const inner = error instanceof AggregateError ? (error.errors as unknown[])[0] : error.cause;
  const text = error.message || error.name;
  return inner === undefined || depth === 0 ? text : `${text}: ${errorMessage(inner, depth - 1)}`;
}
