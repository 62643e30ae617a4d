import { auditEvent, type AuditEvent } from '#contracts';

/** An event that could not be written, and why. */
export interface DeadLetter {
  event: AuditEvent;
  reason: string;
}

/** @param at when it became a dead letter, RFC 3339 */
export function letterLine({ event, reason }: DeadLetter, at: string): Buffer {
  return Buffer.from(JSON.stringify({ ...event, dead_letter_reason: reason, dead_lettered_at: at }));
}

/** @returns undefined when the line is no letter: torn by a crash, or damaged */
export function letterOf(line: Buffer): DeadLetter | undefined {
  try {
    const value = JSON.parse(line.toString('utf8')) as { dead_letter_reason?: unknown };
    const reason = value.dead_letter_reason;
    return { event: auditEvent.parse(value), reason: typeof reason === 'string' ? reason : '' };
  } catch {
    return undefined;
  }
}
