import { verify, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { keyIdOf, parsePublicKey } from './public-key.js';

/** About 1 KB each. */
const MAX_VERIFIED = 10_000;

/**
 * Verifies signatures. A recorded key counts only if its id is the digest of the key: nobody can put another key behind an id.
 * What has verified once is not verified again while key, text and signature stay the same: that cannot change.
 */
@Injectable()
export class Signatures {
  private readonly keys = new Map<string, KeyObject>();
  /** Texts by key and signature, the least recently verified first. */
  private readonly verified = new Map<string, string>();

  /** @param publicKey SPKI, PEM; null where none is on record */
  verify(keyId: string, publicKey: string | null, text: string, signature: string): boolean {
    const id = `${keyId} ${signature}`;
    if (this.verified.get(id) === text) return true;
    const key = this.keys.get(keyId) ?? this.parse(keyId, publicKey);
    if (key === undefined || !verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))) return false;
    this.keep(id, text);
    return true;
  }

  private parse(keyId: string, publicKey: string | null): KeyObject | undefined {
    const key = publicKey === null ? undefined : parsePublicKey(publicKey);
    if (key === undefined || keyIdOf(key) !== keyId) return undefined;
    this.keys.set(keyId, key);
    return key;
  }

  private keep(id: string, text: string): void {
    this.verified.set(id, text);
    if (this.verified.size <= MAX_VERIFIED) return;
    for (const oldest of this.verified.keys()) {
      this.verified.delete(oldest);
      break;
    }
  }
}
