import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditSink, type SinkResult } from '#audit';
import { type AuditEvent } from '#contracts';
import { type FaultySink } from '../support/faulty-sink.js';

/** `lossy`: takes what it is given, and the answer is lost. `hung`: does not answer until it is in another mode. */
export type SinkMode = 'up' | 'slow' | 'lossy' | 'hung' | 'down';

const SLOW_MS = 8;

/** Where all loggers of a run write to: idempotent by id, like the real ones, and in a mode that the commands choose. */
export class SinkServer {
  private mode: SinkMode = 'up';
  private leaveHung: (() => void) | undefined;
  private hung: Promise<void> | undefined;
  private writes = 0;

  constructor(readonly store: FaultySink) {}

  become(mode: SinkMode): void {
    this.mode = mode;
    this.store.down = mode === 'down';
    this.leaveHung?.();
    this.leaveHung = undefined;
    this.hung = undefined;
    if (mode !== 'hung') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.hung = promise;
    this.leaveHung = resolve;
  }

  /** As long as the sink thinks about a write. Every second one takes longer, so that batches overtake each other. */
  async think(): Promise<void> {
    const long = this.writes++ % 2 === 0;
    if (this.mode === 'slow') await sleep(long ? 2 * SLOW_MS : SLOW_MS);
    while (this.hung) await this.hung;
  }

  get losesAnswers(): boolean {
    return this.mode === 'lossy';
  }
}

/** One logger's way to the sink. */
export class Connection implements AuditSink {
  readonly concurrency: number;
  /** What the logger was told to be in the sink. */
  readonly confirmed = new Set<string>();
  /** What a logger must never do to its sink. */
  readonly violations: string[] = [];
  private state: 'open' | 'closed' | 'cut' = 'open';
  private lands = true;

  constructor(private readonly server: SinkServer) {
    this.concurrency = server.store.concurrency;
  }

  async write(events: readonly AuditEvent[]): Promise<SinkResult> {
    if (this.state === 'closed') this.violations.push('a batch was written after the close');
    if (this.state !== 'open') throw new Error('the connection is closed');
    if (events.length === 0) this.violations.push('an empty batch was written');
    for (const { id } of events)
      if (this.confirmed.has(id)) this.violations.push(`${id} was written again, though the sink had confirmed it`);
    await this.server.think();
    if (!this.lands) throw new Error('the connection was cut');
    const result = await this.server.store.write(events);
    if (this.server.losesAnswers) throw new Error('the answer was lost');
    for (const { id } of events) this.confirmed.add(id);
    return result;
  }

  async close(): Promise<void> {
    if (this.state === 'closed') this.violations.push('closed twice');
    if (this.state === 'open') this.state = 'closed';
  }

  /** The process is gone. @param lands whether what is under way arrives all the same */
  cut(lands: boolean): void {
    this.state = 'cut';
    this.lands = lands;
  }
}
