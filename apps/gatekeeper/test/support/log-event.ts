import { randomUUID } from 'node:crypto';
import { type AuditEvent } from '#contracts';

/** An event of that tenant, with its number in it. */
export function logEvent(tenant: string, number: number, difference: Partial<AuditEvent> = {}): AuditEvent {
  return {
    id: randomUUID(),
    tenant_id: tenant,
    timestamp: new Date(Date.now() - (number % 1000)).toISOString(),
    service: 'router',
    ghost_id: 'Scout',
    shell_id: null,
    action: 'execute',
    resource: `shells/l1/${number}`,
    result: 'ALLOWED',
    reason: 'because',
    request_id: null,
    session_id: null,
    entities: [{ kind: 'user', id: `${number}` }],
    metadata: { number, tiny: 1e-7, huge: 1e21, nested: { b: 1, a: [true, null, 1.5] } },
    producer: null,
    sequence: null,
    ...difference,
  };
}
