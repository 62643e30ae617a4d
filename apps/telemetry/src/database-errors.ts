import { ServiceError } from '#errors';

/** SQLSTATE classes 22 (data exception) and 23 (integrity constraint violation): trying again will not help. */
const PERMANENT = /^2[23]/;

export function isPermanent(error: unknown): boolean {
  return PERMANENT.test(String((error as { code?: unknown } | null)?.code));
}

/** What a caller is told when its records could not be stored. */
export function notStored(error: unknown): ServiceError {
  if (isPermanent(error))
    return new ServiceError('invalid', 'record_rejected', 'A record holds a value that cannot be stored', {
      cause: error,
    });
  return new ServiceError('unavailable', 'telemetry_unavailable', 'Nothing was stored; send it again', {
    cause: error,
    retryAfter: 1,
  });
}
