import { type AuditEvent, type IngestResponse } from '#contracts';
import { SinkRejectedError } from '../errors.js';
import { type AuditSink, type SinkResult } from '../sink.js';

export interface HttpSinkOptions {
  /** Posts events to the gatekeeper's ingest API; resolves when they are durable there. */
  send: (events: readonly AuditEvent[]) => Promise<IngestResponse>;
  /** Whether an error of `send` means that these events are not acceptable, now or later. */
  isRejection: (error: unknown) => boolean;
  close: () => Promise<void>;
}

/** Sends batches to the gatekeeper, which answers once they are durable. Idempotent by event id on that side. */
export class HttpSink implements AuditSink {
  constructor(private readonly options: HttpSinkOptions) {}

  async write(events: readonly AuditEvent[]): Promise<SinkResult> {
    // The gatekeeper takes bodies up to 1 MiB: large batches travel in parts, in order.
    let accepted = 0;
    let duplicates = 0;
    for (const part of partition(events)) {
      const answer = await this.sendPart(part);
      accepted += answer.accepted;
      duplicates += answer.duplicates;
    }
    return { accepted, duplicates };
  }

  close(): Promise<void> {
    return this.options.close();
  }

  private async sendPart(events: readonly AuditEvent[]): Promise<IngestResponse> {
    try {
      return await this.options.send(events);
    } catch (error) {
      if (this.options.isRejection(error)) throw new SinkRejectedError((error as Error).message, { cause: error });
      throw error;
    }
  }
}

const MAX_PART_BYTES = 900 * 1024;

/** Consecutive slices that stay below the limit as JSON; a single event is far below it by the bounds on its fields. */
function partition(events: readonly AuditEvent[]): AuditEvent[][] {
  const parts: AuditEvent[][] = [];
  let part: AuditEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = Buffer.byteLength(JSON.stringify(event)) + 1;
    if (part.length > 0 && bytes + size > MAX_PART_BYTES) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(event);
    bytes += size;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}
