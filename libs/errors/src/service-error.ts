/**
 * What kind of failure it is, in the domain's words. The HTTP library maps each kind to a status; nothing else does.
 */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'rate_limited'
  | 'upstream'
  | 'unavailable'
  | 'internal';

export interface ServiceErrorOptions {
  /** Kept for the log; never shown to a caller. */
  cause?: unknown;
  /** Further members of the problem document (RFC 9457, section 3.2), shown to the caller. */
  extensions?: Record<string, unknown>;
  /** Seconds after which trying again makes sense; becomes Retry-After. */
  retryAfter?: number;
}

/**
 * An error with a closed kind, a stable machine-readable code and a text that the caller may read.
 * `detail` is public: no SQL, no secret, no stack. What only the operator may see belongs in `cause`.
 */
export class ServiceError extends Error {
  readonly extensions: Record<string, unknown>;
  readonly retryAfter: number | undefined;

  constructor(
    readonly kind: ErrorKind,
    readonly code: string,
    readonly detail: string,
    options: ServiceErrorOptions = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = 'ServiceError';
    this.extensions = options.extensions ?? {};
    this.retryAfter = options.retryAfter;
  }
}
