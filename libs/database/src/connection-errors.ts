/** Socket errors; SQLSTATE class 08 (connection), 57P0x (shutting down, starting), 53300 (too many connections). */
const CODES = /^(ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|08|57P0|53300)/;
/** What pg and its pool say without a code. */
const MESSAGES =
  /connection terminated|connection timeout|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error|not currently accepting connections/i;

/** SQLSTATE class 28 (invalid authorization), 3D000 (no such database). */
const LOGIN = /^(28|3D000)/;

/** Whether the database let nobody in: for callers an outage, for an operator a setting to mend. */
export function isLoginRefused(error: unknown): boolean {
  const code = Error.isError(error) ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && LOGIN.test(code);
}

/** Whether the database did not answer (it may later), as against having answered with a refusal. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isConnectionError);
  if (!Error.isError(error)) return false;
  const { code } = error as { code?: unknown };
  return (typeof code === 'string' && CODES.test(code)) || MESSAGES.test(error.message);
}
