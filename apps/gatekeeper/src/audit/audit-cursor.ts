import { ServiceError } from '#errors';

/** Where a page ended: the trail is read by (timestamp, id), newest first, so a cursor stays good while events arrive. */
export interface AuditCursor {
  /** Microseconds since the epoch, as decimal digits. */
  timestamp: string;
  id: string;
}

const FORM = /^(\d{1,19})_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

export function encodeCursor({ timestamp, id }: AuditCursor): string {
  return Buffer.from(`${timestamp}_${id}`).toString('base64url');
}

/** @throws ServiceError invalid */
export function decodeCursor(text: string): AuditCursor {
  const [, timestamp, id] = FORM.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  if (!timestamp || !id) throw new ServiceError('invalid', 'invalid_request', 'cursor: is not one of ours');
  return { timestamp, id };
}
