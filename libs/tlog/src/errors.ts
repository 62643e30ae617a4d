/**
 * Closed set of what can be wrong:
 * `tlog_argument` what a caller gave is out of bounds or of the wrong form; `tlog_malformed` bytes or text are not of the format;
 * `tlog_too_large` they are beyond a bound; `tlog_proof` a proof does not lead to the root; `tlog_signature` no known key has signed, or
 * a known key's signature is wrong; `tlog_origin` signed, but by or for another log.
 */
export type TlogErrorCode =
  'tlog_argument' | 'tlog_malformed' | 'tlog_too_large' | 'tlog_proof' | 'tlog_signature' | 'tlog_origin';

/** Whatever is thrown by this library on account of what it was given. What a reader throws goes through unchanged. */
export class TlogError extends Error {
  constructor(
    readonly code: TlogErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'TlogError';
  }
}

export function malformed(message: string, cause?: unknown): TlogError {
  return new TlogError('tlog_malformed', message, cause === undefined ? undefined : { cause });
}

/** @throws TlogError tlog_argument unless `condition` */
export function expectArgument(condition: boolean, message: string): asserts condition {
  if (!condition) throw new TlogError('tlog_argument', message);
}
