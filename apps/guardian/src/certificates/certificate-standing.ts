import { type CertificateSigner } from './certificate-signer.js';
import { type Certificate } from './certificate.entity.js';

/** A certificate with what is on record of the key that signed it. */
export interface Standing {
  certificate: Certificate;
  /** SPKI, PEM; null where no key is on record. */
  publicKey: string | null;
  keyRevokedAt: Date | null;
}

/** What is true of a certificate whatever the time. */
export type Judgement = 'good' | 'revoked' | 'invalid';

/** `revoked`: it is, or its key. `invalid`: its row is not what was signed. */
export function judge({ certificate, publicKey, keyRevokedAt }: Standing, signer: CertificateSigner): Judgement {
  if (certificate.revokedAt !== null || keyRevokedAt !== null) return 'revoked';
  return signer.isGenuine(certificate, publicKey) ? 'good' : 'invalid';
}

/** What it comes to at this moment: at the moment of its expiry it has expired. */
export function statusAt(now: Date, { expiresAt }: Certificate, judgement: Judgement) {
  if (judgement !== 'good') return judgement;
  return expiresAt > now ? 'valid' : 'expired';
}
