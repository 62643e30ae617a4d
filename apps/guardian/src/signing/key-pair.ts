import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { keyIdOf } from './public-key.js';

/** A key that signs. */
export class KeyPair {
  readonly keyId: string;
  /** SPKI, PEM. */
  readonly publicKey: string;

  constructor(private readonly privateKey: KeyObject) {
    const publicKey = createPublicKey(privateKey);
    this.keyId = keyIdOf(publicKey);
    this.publicKey = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  }

  /** @returns the Ed25519 signature over the text's UTF-8 bytes, base64url */
  sign(text: string): string {
    return sign(null, Buffer.from(text), this.privateKey).toString('base64url');
  }
}
