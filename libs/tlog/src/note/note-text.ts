import { malformed, TlogError } from '../errors.js';

/** Of any note, and of what carries one. */
export const MAX_NOTE_BYTES = 1_000_000;

/** The ASCII control characters but for the newline. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x09\x0b-\x1f]/;

/**
 * What came as bytes or text, as text.
 *
 * @throws TlogError tlog_too_large, or tlog_malformed when it is not UTF-8 or has control characters other than the newline
 */
export function decodeText(input: Uint8Array | string, what: string): string {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) throw malformed(`${what}: expected text`);
  const bytes = typeof input === 'string' ? Buffer.byteLength(input) : input.length;
  if (bytes > MAX_NOTE_BYTES) throw new TlogError('tlog_too_large', `${what}: has more than ${MAX_NOTE_BYTES} bytes`);
  const text = typeof input === 'string' ? input : decodeUtf8(input, what);
  if (!text.isWellFormed()) throw malformed(`${what}: is not UTF-8`);
  if (CONTROL.test(text)) throw malformed(`${what}: has control characters`);
  return text;
}

function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw malformed(`${what}: is not UTF-8`, error);
  }
}
