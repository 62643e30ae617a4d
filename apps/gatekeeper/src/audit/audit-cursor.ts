import { ServiceError } from '#errors';

/** Where a page ended: the trail is read by (timestamp, id), newest first, so a cursor stays good while events arrive. */
export interface AuditCursor {
  /** Microseconds since the epoch, as decimal digits; negative before it. */
  timestamp: string;
  id: string;
}

const FORM = /^(-?\d{1,18})_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const PER_MILLISECOND = 1000n;

export function encodeCursor({ timestamp, id }: AuditCursor): string {
  return Buffer.from(`${timestamp}_${id}`).toString('base64url');
}

/** @throws ServiceError invalid */
export function decodeCursor(text: string): AuditCursor {
  const [, timestamp, id] = FORM.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  if (!timestamp || !id || !timeOf(timestamp))
    throw new ServiceError('invalid', 'invalid_request', 'cursor: is not one of ours');
  return { timestamp, id };
}

/** The cursor's time as RFC 3339, to the microsecond. */
export function cursorTime({ timestamp }: AuditCursor): string {
  return timeOf(timestamp)!;
}

/** @returns undefined outside of the years 1 to 9999 */
function timeOf(timestamp: string): string | undefined {
  const microseconds = BigInt(timestamp);
  const below = ((microseconds % PER_MILLISECOND) + PER_MILLISECOND) % PER_MILLISECOND;
  const date = new Date(Number((microseconds - below) / PER_MILLISECOND));
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) return undefined;
  return date.toISOString().replace('Z', `${String(below).padStart(3, '0')}Z`);
}
