import { hash } from 'node:crypto';
import { MAX_ENTRY_BYTES } from '../tiles/entry-bundle.js';

/**
 * The log entry of an event, from its canonical form: the form itself in UTF-8, or, where that is longer than a bundle can carry
 * (65,535 bytes), its digest:
 *
 *     {"event_bytes":70123,"event_sha256":"<64 hexadecimal digits>"}
 *
 * An event has other members, so neither can be taken for the other.
 */
export function leafEntry(canonical: string): Buffer {
  const bytes = Buffer.from(canonical);
  return bytes.length <= MAX_ENTRY_BYTES ? bytes : digestEntry(bytes);
}

function digestEntry(bytes: Buffer): Buffer {
  return Buffer.from(`{"event_bytes":${bytes.length},"event_sha256":"${hash('sha256', bytes)}"}`);
}

const DIGEST = /^\{"event_bytes":\d{1,9},"event_sha256":"[0-9a-f]{64}"\}$/;

/** Whether the entry stands for an event that was too large to be one. */
export function isDigestEntry(entry: Uint8Array): boolean {
  return entry.length < 150 && DIGEST.test(Buffer.from(entry).toString('latin1'));
}
