import { isPermanentError } from '#database';
import { ServiceError } from '#errors';

/** What a caller is told when its records could not be stored. */
export function notStored(error: unknown): ServiceError {
  if (isPermanentError(error))
    return new ServiceError('invalid', 'record_rejected', 'A record holds a value that cannot be stored', {
      cause: error,
    });
  return new ServiceError('unavailable', 'telemetry_unavailable', 'Nothing was stored; send it again', {
    cause: error,
    retryAfter: 1,
  });
}
