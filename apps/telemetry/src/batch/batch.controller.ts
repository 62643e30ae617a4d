import { Body, Controller, Post } from '@nestjs/common';
import { type z } from 'zod';
import { telemetryBatch, telemetryBatchAccepted, type TelemetryBatchAccepted } from '#contracts';
import { AccessControl, Authenticated, Call, Endpoint, type CallContext } from '#http';
import { notStored } from '../database-errors.js';
import { eventRow } from '../events/event-row.js';
import { ofTenant, USAGE_RESOURCE } from '../usage/usage.controller.js';
import { TelemetryWriter } from './telemetry-writer.js';

@Authenticated()
@Controller('v1/telemetry')
export class BatchController {
  constructor(
    private readonly writer: TelemetryWriter,
    private readonly access: AccessControl,
  ) {}

  @Post('batch')
  @Endpoint({
    summary: 'Report events and usage together',
    description:
      'All of it is stored or none, and answered when it is. Usage ids that are there already are counted as duplicates and change ' +
      `nothing. An agent that reports usage needs \`write\` on ${USAGE_RESOURCE}; its events are its own.`,
    response: telemetryBatchAccepted,
    errors: {
      400: 'An event or a record is not as described',
      401: 'No valid token',
      403: `The agent may not write ${USAGE_RESOURCE}`,
      503: 'Nothing was stored; send it again',
    },
  })
  async take(
    @Body({ schema: telemetryBatch }) body: z.output<typeof telemetryBatch>,
    @Call() { principal, requestId }: CallContext,
  ): Promise<TelemetryBatchAccepted> {
    const { events, usage } = body;
    if (principal.kind === 'agent' && usage.length > 0)
      await this.access.authorize(principal, 'write', USAGE_RESOURCE, requestId);
    const now = new Date();
    const rows = events.map((event) => eventRow(event, principal, now));
    const records = usage.map((record) => ofTenant(record, principal));
    try {
      const added = await this.writer.write(rows, records);
      return {
        success: true,
        message: `${events.length} events and ${usage.length} usage records stored`,
        accepted: { events: events.length, usage: added },
        duplicates: usage.length - added,
      };
    } catch (error) {
      throw notStored(error);
    }
  }
}
