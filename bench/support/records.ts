import { randomUUIDv7 } from 'node:crypto';
import { auditEvent, type AuditEvent, type AuditRecord } from '#contracts';

const MODELS = ['echo', 'qwen3:8b', 'claude-sonnet', 'gpt-mini'];
const POLICY_VERSION = '9f2b6c1e5d7a4830'.repeat(4);

/** What the gatekeeper records of a decision: the same members, of usual sizes. Rows of about 500 bytes. */
export function decisionRecord(number: number): AuditRecord {
  const model = MODELS[number % MODELS.length]!;
  const resource = `shells/l1/${model}`;
  const session = `session-${number % 500}`;
  return {
    tenant_id: 'default',
    ghost_id: `Scout-${number % 50}`,
    shell_id: model,
    action: 'execute',
    resource,
    result: number % 20 === 0 ? 'DENIED' : 'ALLOWED',
    reason: 'the group scout may execute shells/l1/*',
    request_id: `01a0c1f2-7d3e-7000-8000-${String(number).padStart(12, '0')}`,
    session_id: session,
    metadata: {
      request: { session_id: session, complexity: number % 10, stream: number % 2 === 0 },
      groups: ['scout'],
      rule: { group: 'scout', action: 'execute', resource: 'shells/l1/*' },
      policy_version: POLICY_VERSION,
    },
  };
}

export function decisionRecords(count: number): AuditRecord[] {
  return Array.from({ length: count }, (_, number) => decisionRecord(number));
}

/** The same as events, as a logger stamps them. */
export function decisionEvents(count: number): AuditEvent[] {
  const producer = randomUUIDv7();
  return Array.from({ length: count }, (_, number) =>
    auditEvent.parse({
      ...decisionRecord(number),
      id: randomUUIDv7(),
      timestamp: new Date().toISOString(),
      service: 'gatekeeper',
      producer,
      sequence: number + 1,
    }),
  );
}
