import { ServiceError } from '#errors';
import { FENCED } from '../core/fence/fence.js';

/** What a caller is told whose write cannot be done just now. */
export function databaseMoving(cause?: unknown): ServiceError {
  return new ServiceError('unavailable', 'database_moving', 'The database is being moved; try again', {
    cause,
    retryAfter: 1,
  });
}

/** Whether a table refused a write because the move says another side: this instance did not know yet. Nothing was written. */
export function isFenced(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === FENCED;
}
