import { type AuditRecord } from '#contracts';
import { type Certificate } from './certificate.entity.js';

/** What an agent's certificates are called in policies and in the audit trail. */
export function certificatesOf(agent: string): string {
  return `guardian/certificates/${agent}`;
}

export function issued(certificate: Certificate, by: Partial<AuditRecord>, reason: string): AuditRecord {
  return made('certificate.issue', certificate, [certificate.serial], by, reason);
}

/** @param previous the serial of the certificate whose capabilities it has */
export function renewed(certificate: Certificate, previous: string, by: Partial<AuditRecord>): AuditRecord {
  const { serial } = certificate;
  return made('certificate.renew', certificate, [serial, previous], by, `renews ${previous}`);
}

export function revoked(
  agent: string,
  serials: readonly string[],
  by: Partial<AuditRecord>,
  reason: string,
): AuditRecord {
  return {
    ...by,
    action: 'certificate.revoke',
    resource: certificatesOf(agent),
    result: 'SUCCEEDED',
    reason,
    entities: entities(agent, serials),
    metadata: { ...by.metadata, revoked: serials.length },
  };
}

function made(
  action: 'certificate.issue' | 'certificate.renew',
  { agent, expiresAt, capabilities, keyId }: Certificate,
  serials: readonly string[],
  by: Partial<AuditRecord>,
  reason: string,
): AuditRecord {
  return {
    ...by,
    action,
    resource: certificatesOf(agent),
    result: 'SUCCEEDED',
    reason,
    entities: entities(agent, serials),
    metadata: { ...by.metadata, expires_at: expiresAt.toISOString(), capabilities, key_id: keyId },
  };
}

/** An event names at most 64 entities; the number of all is in its metadata. */
function entities(agent: string, serials: readonly string[]) {
  return [{ kind: 'agent', id: agent }, ...serials.slice(0, 63).map((id) => ({ kind: 'certificate', id }))];
}
