import { z } from 'zod';
import { type TelemetryBatch } from '#contracts';
import { PeerClient } from './peer-client.js';

const accepted = z.object({ success: z.literal(true) });

export class TelemetryClient extends PeerClient {
  /** Sends events and usage; usage is idempotent by id, events are not, so there is no second try here. */
  async send(batch: TelemetryBatch): Promise<void> {
    await this.call({ method: 'POST', path: '/v1/telemetry/batch', body: batch, response: accepted });
  }
}
