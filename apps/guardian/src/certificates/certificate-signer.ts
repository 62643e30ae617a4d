import { randomUUIDv7 } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import canonicalize from 'canonicalize';
import { SigningKeys } from '../signing/signing-keys.js';
import { type Certificate } from './certificate.entity.js';

const VERSION = 1;

type Stated = Pick<Certificate, 'agent' | 'serial' | 'issuedAt' | 'expiresAt' | 'version' | 'capabilities'>;

/** Makes certificates, and tells whether a row is one that was made here. */
@Injectable()
export class CertificateSigner {
  constructor(private readonly keys: SigningKeys) {}

  /** @param ttl seconds */
  make(agent: string, ttl: number, capabilities: readonly string[]): Certificate {
    const issuedAt = new Date();
    const stated = {
      agent,
      serial: randomUUIDv7(),
      issuedAt,
      expiresAt: new Date(issuedAt.getTime() + ttl * 1000),
      version: VERSION,
      capabilities: [...capabilities],
    };
    const statement = statementOf(stated);
    const signature = this.keys.sign(statement);
    return { ...stated, statement, signature, keyId: this.keys.keyId, revokedAt: null, revokedReason: null };
  }

  /** Whether the signature holds, and each column says what was signed. Time and revocation are not looked at. */
  async isGenuine(certificate: Certificate): Promise<boolean> {
    const { keyId, statement, signature } = certificate;
    return statement === statementOf(certificate) && (await this.keys.verify(keyId, statement, signature));
  }
}

/** Canonical JSON, RFC 8785. */
function statementOf({ agent, serial, issuedAt, expiresAt, version, capabilities }: Stated): string {
  const statement = canonicalize({
    agent,
    serial,
    issued_at: issuedAt.toISOString(),
    expires_at: expiresAt.toISOString(),
    version,
    capabilities,
  });
  // Only values that JSON does not know have no canonical form.
  if (statement === undefined) throw new TypeError('a certificate cannot be written as JSON');
  return statement;
}
