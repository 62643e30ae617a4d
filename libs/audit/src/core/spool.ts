import { join } from 'node:path';
import { type AuditEvent } from '#contracts';
import { EventFile } from './event-file.js';
import { type AuditLog } from './audit-log.js';

/** Events on disk: those left for the next start, and those that can never be written. */
export interface Spool {
  /** What earlier processes left, in order. It stays on disk until `forget`. */
  recover(): Promise<AuditEvent[]>;
  /** What was recovered is in the trail now. */
  forget(): Promise<void>;
  /** Keeps events for the next start. */
  leave(events: readonly AuditEvent[]): Promise<void>;
  /** Keeps an event that can never be written, with the reason. */
  setAside(event: AuditEvent, reason: string): Promise<void>;
}

/** A folder with `pending.ndjson`, `dead-letters.ndjson` and, after a crash in mid-write, `damaged.ndjson`. */
export class FileSpool implements Spool {
  private readonly pending: EventFile;
  private readonly deadLetters: EventFile;
  private readonly damaged: EventFile;

  constructor(
    directory: string,
    private readonly log: AuditLog,
  ) {
    this.pending = new EventFile(join(directory, 'pending.ndjson'));
    this.deadLetters = new EventFile(join(directory, 'dead-letters.ndjson'));
    this.damaged = new EventFile(join(directory, 'damaged.ndjson'));
  }

  async recover(): Promise<AuditEvent[]> {
    const { events, damaged } = await this.pending.read();
    if (damaged.length > 0) {
      await this.damaged.append(damaged.map((line) => ({ line })));
      this.log.warn(
        { lines: damaged.length, file: this.damaged.path },
        'audit: the spool has damaged lines; they are kept aside',
      );
    }
    return events;
  }

  async forget(): Promise<void> {
    await this.pending.remove();
  }

  /** The recovered events that are still waiting are among `events`, so the file is made anew. */
  async leave(events: readonly AuditEvent[]): Promise<void> {
    const next = new EventFile(`${this.pending.path}.next`);
    await next.remove();
    await next.append(events);
    await next.moveTo(this.pending.path);
  }

  async setAside(event: AuditEvent, reason: string): Promise<void> {
    await this.deadLetters.append([{ ...event, dead_letter_reason: reason }]);
  }
}
