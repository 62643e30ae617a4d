import { randomUUID } from 'node:crypto';
import { type AuditEvent } from '#contracts';

/** An event as a service sends it. */
export function event(difference: Partial<AuditEvent> = {}): AuditEvent {
  return {
    id: randomUUID(),
    timestamp: new Date().toISOString(),
    service: 'router',
    tenant_id: 'default',
    ghost_id: 'Scout',
    shell_id: 'echo',
    action: 'inference',
    resource: 'shells/l1/echo',
    result: 'SUCCEEDED',
    reason: 'the model answered',
    request_id: null,
    session_id: null,
    entities: [],
    metadata: {},
    producer: null,
    sequence: null,
    ...difference,
  };
}
