export type EmbeddedPostgresErrorCode =
  | 'binaries_missing'
  | 'binaries_unreachable'
  | 'data_dir_unreachable'
  | 'data_dir_foreign'
  | 'data_dir_other_version'
  | 'no_unprivileged_user'
  | 'no_free_port'
  | 'initdb_failed'
  | 'start_failed'
  | 'stop_failed';

/** What can go wrong with the embedded server. The message says what to do about it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    readonly code: EmbeddedPostgresErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
