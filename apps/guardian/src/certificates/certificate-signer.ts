import { randomUUIDv7 } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import canonicalize from 'canonicalize';
import { type KeyPair } from '../signing/key-pair.js';
import { Signatures } from '../signing/signatures.js';
import { type Certificate } from './certificate.entity.js';

const VERSION = 1;

type Stated = Pick<Certificate, 'agent' | 'serial' | 'issuedAt' | 'expiresAt' | 'version' | 'capabilities'>;

/** Makes certificates, and tells whether a row is one that was made here. */
@Injectable()
export class CertificateSigner {
  constructor(private readonly signatures: Signatures) {}

  /** @param ttl seconds */
  make(key: KeyPair, issuedAt: Date, agent: string, ttl: number, capabilities: readonly string[]): Certificate {
    const stated = {
      agent,
      serial: randomUUIDv7(),
      issuedAt,
      expiresAt: new Date(issuedAt.getTime() + ttl * 1000),
      version: VERSION,
      capabilities: [...capabilities],
    };
    const statement = statementOf(stated);
    const { keyId } = key;
    return { ...stated, statement, signature: key.sign(statement), keyId, revokedAt: null, revokedReason: null };
  }

  /**
   * Whether the signature holds, and each column says what was signed. Time and revocation are not looked at.
   *
   * @param publicKey what is on record for the certificate's key; null where nothing is
   */
  isGenuine(certificate: Certificate, publicKey: string | null): boolean {
    const { keyId, statement, signature } = certificate;
    return statement === statementOf(certificate) && this.signatures.verify(keyId, publicKey, statement, signature);
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
