export type ProvisionErrorCode =
  'invalid_spec' | 'connection_failed' | 'lock_timeout' | 'role_failed' | 'database_failed' | 'privileges_failed';

/** Roles or databases could not be made. The message names which, what PostgreSQL said, and what to do. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';

  constructor(
    readonly code: ProvisionErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** PostgreSQL's message, with its SQLSTATE when it has one. */
export function postgresMessage(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(postgresMessage).join('; ');
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  return `${error.message}${code}`;
}
