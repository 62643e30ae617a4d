import { randomUUIDv7 } from 'node:crypto';
import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { type z } from 'zod';
import {
  telemetryAccepted,
  usageRequest,
  usageSummary,
  usageSummaryQuery,
  type TelemetryAccepted,
  type UsageSummary,
  type UsageSummaryQuery,
} from '#contracts';
import { Authenticated, Call, Endpoint, Requires, type CallContext, type Principal } from '#http';
import { ReadScope } from '../access/read-scope.js';
import { TelemetryWriter } from '../batch/telemetry-writer.js';
import { notStored } from '../database-errors.js';
import { type Usage } from './insert-usage.js';
import { SummaryQuery } from './summary.query.js';

export const USAGE_RESOURCE = 'telemetry/usage';

@Controller('v1/usage')
export class UsageController {
  constructor(
    private readonly writer: TelemetryWriter,
    private readonly summaries: SummaryQuery,
    private readonly scope: ReadScope,
  ) {}

  @Post()
  @Requires('write', USAGE_RESOURCE)
  @Endpoint({
    summary: 'Report one model call and what it cost',
    description: 'Answered when it is stored. A record with an id that is there already changes nothing.',
    response: telemetryAccepted,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      403: `The agent may not write ${USAGE_RESOURCE}`,
      503: 'Not stored; send it again, with the same id',
    },
  })
  async record(
    @Body({ schema: usageRequest }) body: z.output<typeof usageRequest>,
    @Call() { principal }: CallContext,
  ): Promise<TelemetryAccepted> {
    const { id = randomUUIDv7(), timestamp = new Date().toISOString() } = body;
    try {
      const added = await this.writer.write([], [ofTenant({ ...body, id, timestamp }, principal)]);
      return { success: true, message: added === 1 ? `usage ${id} stored` : `usage ${id} was stored before` };
    } catch (error) {
      throw notStored(error);
    }
  }

  @Get('summary')
  @Authenticated()
  @Endpoint({
    summary: 'What did it cost, by ghost, model or day?',
    description:
      'Dearest first; days in order, in UTC. `from` is inclusive, `to` exclusive; without them, all there is. An agent that may read ' +
      `${USAGE_RESOURCE} sees its tenant, any other agent its own usage, a service everything.`,
    response: usageSummary,
    errors: { 400: 'A filter is not valid', 401: 'No valid token', 503: 'The gatekeeper does not answer' },
  })
  async summary(
    @Query({ schema: usageSummaryQuery }) query: UsageSummaryQuery,
    @Call() call: CallContext,
  ): Promise<UsageSummary> {
    return this.summaries.read(query, await this.scope.of(call, USAGE_RESOURCE));
  }
}

/** An agent reports for its own tenant, whatever it says. */
export function ofTenant(record: Usage, by: Principal): Usage {
  return by.kind === 'agent' ? { ...record, tenant_id: by.tenantId } : record;
}
