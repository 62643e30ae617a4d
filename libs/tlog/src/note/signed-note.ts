import { expectArgument, malformed, TlogError } from '../errors.js';
import { fromBase64 } from './base64.js';
import { isKeyName } from './key-name.js';
import { cosignatureTime, COSIGNATURE, type NoteSigner, type NoteVerifier } from './keys.js';
import { decodeText } from './note-text.js';

/** C2SP signed-note: a text that ends with a newline, an empty line, and one line for each signature. */

export const MAX_SIGNATURES = 100;

const PREFIX = '\u2014 ';
/** A signature of one byte at least behind the four of the key id. */
const MIN_SIGNATURE_BYTES = 5;

/** One line below a note. */
export interface NoteSignature {
  name: string;
  keyId: string;
  /** Without the key id. */
  signature: Uint8Array;
}

/** As read: nothing in it is to be believed yet. */
export interface UnverifiedNote {
  /** Ends with a newline. */
  text: string;
  signatures: NoteSignature[];
}

/** A note that a known key has signed. */
export interface OpenedNote {
  text: string;
  /** Those of known keys, all of which are right; `time` is a cosignature's, in seconds since 1970. */
  verified: (NoteSignature & { verifier: NoteVerifier; time?: number })[];
  /** Those of keys that are not known: they say nothing. */
  unknown: NoteSignature[];
}

/** @throws TlogError tlog_malformed, tlog_too_large */
export function parseNote(note: Uint8Array | string): UnverifiedNote {
  const all = decodeText(note, 'note');
  const split = all.lastIndexOf('\n\n');
  if (split === -1) throw malformed('note: has no empty line before its signatures');
  return { text: all.slice(0, split + 1), signatures: parseSignatureLines(all.slice(split + 2)) };
}

/** One or more lines `\u2014 name base64(key id || signature)`. @throws TlogError tlog_malformed, tlog_too_large */
export function parseSignatureLines(lines: string): NoteSignature[] {
  if (!lines.endsWith('\n')) throw malformed('note: must end with a signature and a newline');
  const found = lines.slice(0, -1).split('\n', MAX_SIGNATURES + 1);
  if (found.length > MAX_SIGNATURES)
    throw new TlogError('tlog_too_large', `note: more than ${MAX_SIGNATURES} signatures`);
  return found.map(parseSignatureLine);
}

function parseSignatureLine(line: string): NoteSignature {
  const [name = '', encoded = '', ...more] = line.startsWith(PREFIX) ? line.slice(PREFIX.length).split(' ') : [];
  const bytes = isKeyName(name) && more.length === 0 ? fromBase64(encoded, 'signature') : Buffer.alloc(0);
  if (bytes.length < MIN_SIGNATURE_BYTES) throw malformed('note: a signature must be "\u2014 name base64"');
  return { name, keyId: bytes.toString('hex', 0, 4), signature: bytes.subarray(4) };
}

export function formatSignature({ name, keyId, signature }: NoteSignature): string {
  return `${PREFIX}${name} ${Buffer.concat([Buffer.from(keyId, 'hex'), signature]).toString('base64')}\n`;
}

/**
 * The note with a signature of each signer, behind those that it has already.
 *
 * @throws TlogError tlog_argument when the text cannot be one, or there would be no signature
 */
export function signNote(text: string, signers: readonly NoteSigner[], others: readonly NoteSignature[] = []): string {
  expectArgument(text.endsWith('\n'), 'note: the text must end with a newline');
  const signatures = [
    ...others,
    ...signers.map((signer) => ({ name: signer.name, keyId: signer.keyId, signature: signer.sign(text) })),
  ];
  const note = `${text}\n${signatures.map(formatSignature).join('')}`;
  try {
    // What cannot be read back is not written: control characters, too many or no signatures.
    if (parseNote(note).text === text) return note;
  } catch (error) {
    throw new TlogError('tlog_argument', 'note: this cannot be written as one', { cause: error });
  }
  throw new TlogError('tlog_argument', 'note: the text would be read as another one');
}

/**
 * Reads a note and checks it: signatures of keys that are not known are put aside, one of a known key that is wrong refuses all.
 *
 * @throws TlogError tlog_malformed, tlog_too_large; tlog_signature when a known key's signature is wrong or no known key has signed
 */
export function openNote(note: Uint8Array | string, verifiers: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = parseNote(note);
  const opened: OpenedNote = { text, verified: [], unknown: [] };
  for (const signature of signatures) {
    const verifier = verifiers.find(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
    if (!verifier) {
      opened.unknown.push(signature);
      continue;
    }
    if (!verifier.verify(text, signature.signature))
      throw new TlogError('tlog_signature', `note: the signature of ${verifier.name}+${verifier.keyId} is wrong`);
    const time = verifier.type === COSIGNATURE ? cosignatureTime(signature.signature) : undefined;
    opened.verified.push({ ...signature, verifier, ...(time !== undefined && { time }) });
  }
  if (opened.verified.length === 0)
    throw new TlogError('tlog_signature', `note: is signed by none of the ${verifiers.length} known keys`);
  return opened;
}
