import { type AuditRecord } from '#contracts';

/** What the signing keys are called in policies and in the audit trail. */
export const SIGNING_KEYS = 'guardian/signing-keys';

export function rotated(keyId: string, previous: string, by: Partial<AuditRecord>, reason: string): AuditRecord {
  return {
    ...by,
    action: 'signing_key.rotate',
    resource: SIGNING_KEYS,
    result: 'SUCCEEDED',
    reason,
    entities: [keyId, previous].map((id) => ({ kind: 'signing_key', id })),
    metadata: { ...by.metadata, key_id: keyId, previous_key_id: previous },
  };
}

export function keyRevoked(keyId: string, certificates: number, by: Partial<AuditRecord>, reason: string): AuditRecord {
  return {
    ...by,
    action: 'signing_key.revoke',
    resource: SIGNING_KEYS,
    result: 'SUCCEEDED',
    reason,
    entities: [{ kind: 'signing_key', id: keyId }],
    metadata: { ...by.metadata, key_id: keyId, certificates },
  };
}
