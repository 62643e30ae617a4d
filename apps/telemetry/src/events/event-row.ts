import { randomUUIDv7 } from 'node:crypto';
import { type z } from 'zod';
import { type reportedEvent, type telemetryEvent } from '#contracts';
import { type CopyTarget, type CopyValue } from '#database';
import { type Principal } from '#http';

/** An event as it is stored, in the order of the columns. */
export type EventRow = readonly CopyValue[];

export const EVENTS: CopyTarget = {
  table: 'system_telemetry',
  columns: {
    id: 'uuid',
    timestamp: 'timestamptz',
    tenant_id: 'text',
    ghost_id: 'text',
    event_type: 'text',
    component: 'text',
    value: 'float8',
    status: 'text',
    metadata: 'jsonb',
  },
};

type Reported = z.output<typeof telemetryEvent> & Partial<z.output<typeof reportedEvent>>;

/** Stamps an event. An agent speaks of itself and of now; a service may speak of a ghost, and of an earlier time. */
export function eventRow(event: Reported, by: Principal, now: Date): EventRow {
  const { timestamp, tenantId, ghostId } =
    by.kind === 'agent'
      ? { timestamp: now, tenantId: by.tenantId, ghostId: by.ghostId }
      : {
          timestamp: event.timestamp ?? now,
          tenantId: event.tenant_id ?? 'default',
          ghostId: event.ghost_id ?? null,
        };
  const { event_type, component, value, status, metadata } = event;
  return [randomUUIDv7(), timestamp, tenantId, ghostId, event_type, component, value, status, metadata];
}
