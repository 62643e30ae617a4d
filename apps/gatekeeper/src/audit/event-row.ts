import { type AuditEvent } from '#contracts';

/** An event as the trail's reader gives it; a bigint comes back as text. */
export type EventRow = Omit<AuditEvent, 'sequence'> & { sequence: string | null; cursor_time: string };

/** Milliseconds are enough to write where there is nothing below them. */
export function toEvent({ cursor_time: _, sequence, ...row }: EventRow): AuditEvent {
  return {
    ...row,
    timestamp: row.timestamp.replace(/000Z$/, 'Z'),
    sequence: sequence === null ? null : Number(sequence),
  };
}
