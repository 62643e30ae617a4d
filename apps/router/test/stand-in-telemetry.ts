import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type z } from 'zod';
import { telemetryBatch } from '#contracts';
import { JsonServer, sendJson, sendProblem } from './json-server.js';

type Batch = z.output<typeof telemetryBatch>;

/** A telemetry service for tests: collects batches, or fails. */
export class StandInTelemetry extends JsonServer {
  readonly usage: Batch['usage'] = [];
  readonly events: Batch['events'] = [];
  attempts = 0;
  status: number | undefined;

  protected handle(_request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): void {
    this.attempts++;
    if (this.status !== undefined) return sendProblem(response, this.status, 'outage', 'outage');
    const batch = telemetryBatch.parse(body);
    this.usage.push(...batch.usage);
    this.events.push(...batch.events);
    sendJson(response, 200, { success: true, message: 'taken' });
  }
}
