import { malformed } from '../errors.js';
import { HASH_BYTES, type Hash } from '../merkle/hashing.js';

/** RFC 4648, section 4, in its one canonical spelling: padded, nothing else in it, no bits left over. @throws TlogError tlog_malformed */
export function fromBase64(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw malformed(`${what}: is not base64`);
  return bytes;
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** @throws TlogError tlog_malformed */
export function hashFromBase64(text: string, what: string): Hash {
  // 32 bytes are 44 characters: what is longer need not be decoded.
  const hash = typeof text === 'string' && text.length === 44 ? fromBase64(text, what) : undefined;
  if (hash?.length !== HASH_BYTES) throw malformed(`${what}: expected 32 bytes in base64`);
  return hash;
}
