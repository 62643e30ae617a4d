import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { type z } from 'zod';
import {
  telemetryAccepted,
  telemetryEvent,
  telemetryEvents,
  telemetryEventsQuery,
  telemetryStats,
  telemetryStatsQuery,
  type TelemetryAccepted,
  type TelemetryEvents,
  type TelemetryEventsQuery,
  type TelemetryStats,
  type TelemetryStatsQuery,
} from '#contracts';
import { Authenticated, Call, Endpoint, type CallContext } from '#http';
import { ReadScope } from '../access/read-scope.js';
import { EventBuffer } from './event-buffer.js';
import { eventRow } from './event-row.js';
import { EventsRepository } from './events.repository.js';
import { StatsQuery } from './stats.query.js';
import { type SystemTelemetry } from './system-telemetry.entity.js';

const RESOURCE = 'telemetry/events';
const SCOPE = `An agent that may read ${RESOURCE} sees its tenant, any other agent its own events, a service everything.`;

@Authenticated()
@Controller('v1/telemetry')
export class EventsController {
  constructor(
    private readonly buffer: EventBuffer,
    private readonly events: EventsRepository,
    private readonly statistics: StatsQuery,
    private readonly scope: ReadScope,
  ) {}

  @Post('log')
  @Endpoint({
    summary: 'Report an event',
    description: 'Stamped with id, time and ghost, and written within a fraction of a second.',
    response: telemetryAccepted,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      503: 'Too many events are waiting (`telemetry_overloaded`), or nobody can check the token; send it again',
    },
  })
  log(
    @Body({ schema: telemetryEvent }) body: z.output<typeof telemetryEvent>,
    @Call() { principal }: CallContext,
  ): TelemetryAccepted {
    this.buffer.add(eventRow(body, principal, new Date()));
    return { success: true, message: `event ${body.event_type} accepted` };
  }

  @Get('events')
  @Endpoint({
    summary: 'The latest events, newest first',
    description: SCOPE,
    response: telemetryEvents,
    errors: { 400: 'A filter is not valid', 401: 'No valid token', 503: 'The gatekeeper does not answer' },
  })
  async find(
    @Query({ schema: telemetryEventsQuery }) query: TelemetryEventsQuery,
    @Call() call: CallContext,
  ): Promise<TelemetryEvents> {
    const scope = await this.scope.of(call, RESOURCE);
    await this.buffer.settle();
    const events = await this.events.find(query, scope);
    return { events: events.map(toEvent), count: events.length };
  }

  @Get('stats')
  @Endpoint({
    summary: 'What was measured, in sum',
    description:
      'A measurement is an event with a `value`; average, best (highest) and worst (lowest) are over the values, null where there ' +
      'is none. `total_tokens` adds up, for each event, what is a number in its metadata: `tokens`, or else `total_tokens`, or else ' +
      `\`tokens_in\` plus \`tokens_out\`. ${SCOPE}`,
    response: telemetryStats,
    errors: { 400: 'A filter is not valid', 401: 'No valid token', 503: 'The gatekeeper does not answer' },
  })
  async stats(
    @Query({ schema: telemetryStatsQuery }) query: TelemetryStatsQuery,
    @Call() call: CallContext,
  ): Promise<TelemetryStats> {
    const scope = await this.scope.of(call, RESOURCE);
    await this.buffer.settle();
    return this.statistics.read(query, scope);
  }
}

function toEvent(event: SystemTelemetry): TelemetryEvents['events'][number] {
  const { id, timestamp, eventType, component, value, status, metadata, ghostId } = event;
  return {
    id,
    timestamp: timestamp.toISOString(),
    event_type: eventType,
    component,
    value,
    status,
    metadata,
    ghost_id: ghostId,
  };
}
