import { type AuditRecord } from '#contracts';
import { type Certificate } from './certificate.entity.js';

/** What an agent's certificates are called in policies and in the audit trail. */
export function certificatesOf(agent: string): string {
  return `guardian/certificates/${agent}`;
}

export function issued(certificate: Certificate, by: Partial<AuditRecord>, reason: string): AuditRecord {
  const { agent, serial, expiresAt, capabilities, keyId } = certificate;
  return {
    ...by,
    action: 'certificate.issue',
    resource: certificatesOf(agent),
    result: 'SUCCEEDED',
    reason,
    entities: entities(agent, [serial]),
    metadata: { ...by.metadata, expires_at: expiresAt.toISOString(), capabilities, key_id: keyId },
  };
}

export function revoked(agent: string, serials: readonly string[], by: Partial<AuditRecord>): AuditRecord {
  return {
    ...by,
    action: 'certificate.revoke',
    resource: certificatesOf(agent),
    result: 'SUCCEEDED',
    reason: 'all certificates of the agent are revoked',
    entities: entities(agent, serials),
    metadata: { ...by.metadata, revoked: serials.length },
  };
}

/** An event names at most 64 entities; the number of all is in its metadata. */
function entities(agent: string, serials: readonly string[]) {
  return [{ kind: 'agent', id: agent }, ...serials.slice(0, 63).map((id) => ({ kind: 'certificate', id }))];
}
