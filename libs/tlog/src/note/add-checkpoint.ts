import { expectArgument, malformed, TlogError } from '../errors.js';
import { type Hash } from '../merkle/hashing.js';
import { checkSize } from '../merkle/tree.js';
import { hashFromBase64, toBase64 } from './base64.js';
import { readCheckpoint } from './checkpoint.js';
import { parseDecimal } from './decimal.js';
import { COSIGNATURE, cosignatureTime, type NoteVerifier } from './keys.js';
import { decodeText } from './note-text.js';
import { formatSignature, parseNote, parseSignatureLines, signNote, type NoteSignature } from './signed-note.js';

/** C2SP tlog-witness: the bodies of `POST <witness>/add-checkpoint`. */

export const MAX_PROOF_LINES = 63;
/** The media type of a 409 that tells the witness' size. */
export const SIZE_MEDIA_TYPE = 'text/x.tlog.size';

export interface AddCheckpoint {
  /** Of the last checkpoint that the witness has cosigned; 0 when it has none. */
  oldSize: number;
  /** From there to the checkpoint. */
  proof: readonly Hash[];
  /** The signed note. */
  checkpoint: string;
}

/** @throws TlogError tlog_argument, tlog_malformed when the checkpoint is none */
export function encodeAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  checkSize(oldSize, 'old size');
  expectArgument(proof.length <= MAX_PROOF_LINES, `a consistency proof has at most ${MAX_PROOF_LINES} hashes`);
  expectArgument(oldSize <= readCheckpoint(checkpoint).size, 'old size: is beyond that of the checkpoint');
  return `old ${oldSize}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${checkpoint}`;
}

/** What a witness reads. Nothing of it is verified. @throws TlogError tlog_malformed, tlog_too_large */
export function decodeAddCheckpoint(body: Uint8Array | string): AddCheckpoint {
  const text = decodeText(body, 'add-checkpoint');
  const split = text.indexOf('\n\n');
  const [old = '', ...hashes] = split === -1 ? [] : text.slice(0, split).split('\n', MAX_PROOF_LINES + 2);
  if (!old.startsWith('old ')) throw malformed('add-checkpoint: must begin with "old" and a size');
  if (hashes.length > MAX_PROOF_LINES)
    throw new TlogError('tlog_too_large', `add-checkpoint: more than ${MAX_PROOF_LINES} hashes`);
  const checkpoint = text.slice(split + 2);
  readCheckpoint(checkpoint);
  return {
    oldSize: parseDecimal(old.slice('old '.length), 'old size'),
    proof: hashes.map((hash) => hashFromBase64(hash, 'consistency proof')),
    checkpoint,
  };
}

/**
 * What a witness answers. `conflict`: it has cosigned another size, to ask again from; without a size, another root of the same size,
 * which is a fork. `refused`: 403 it does not know the key, 404 the log, 422 the proof is wrong, 400 the request is.
 */
export type WitnessAnswer =
  | { kind: 'cosigned'; signatures: NoteSignature[] }
  | { kind: 'conflict'; size: number | null }
  | { kind: 'refused'; reason: 'key_unknown' | 'log_unknown' | 'proof_wrong' | 'request_wrong' }
  | { kind: 'failed'; status: number };

const REFUSALS = { 400: 'request_wrong', 403: 'key_unknown', 404: 'log_unknown', 422: 'proof_wrong' } as const;

/** @throws TlogError tlog_malformed, tlog_too_large when the body is not what the status promises */
export function decodeWitnessAnswer(
  status: number,
  contentType: string | null | undefined,
  body: Uint8Array | string,
): WitnessAnswer {
  if (status === 200) return { kind: 'cosigned', signatures: parseSignatureLines(decodeText(body, 'cosignatures')) };
  if (status === 409) {
    const isSize = contentType?.split(';', 1)[0]?.trim().toLowerCase() === SIZE_MEDIA_TYPE;
    return { kind: 'conflict', size: isSize ? parseSizeLine(decodeText(body, 'size')) : null };
  }
  if (status in REFUSALS) return { kind: 'refused', reason: REFUSALS[status as keyof typeof REFUSALS] };
  return { kind: 'failed', status };
}

/** What a witness answers with, for one that is made here. */
export function encodeCosignatures(signatures: readonly NoteSignature[]): string {
  expectArgument(signatures.length > 0, 'a witness answers with one signature at least');
  return signatures.map(formatSignature).join('');
}

function parseSizeLine(text: string): number {
  if (!text.endsWith('\n')) throw malformed('size: must end with a newline');
  return parseDecimal(text.slice(0, -1), 'size');
}

/**
 * The checkpoint with the cosignatures of known witnesses, each of which takes the place of an older one. Others are left out.
 *
 * @param now seconds since 1970: a cosignature from more than `skew` seconds later is refused
 * @throws TlogError tlog_signature when a known witness' cosignature is wrong or from the future, or there is none of a known one
 */
export function addCosignatures(
  checkpoint: string,
  signatures: readonly NoteSignature[],
  witnesses: readonly NoteVerifier[],
  now: number,
  skew = 300,
): string {
  const { text, signatures: present } = parseNote(checkpoint);
  const fresh = new Map<string, NoteSignature>();
  for (const signature of signatures) {
    const witness = witnesses.find(({ name, keyId }) => name === signature.name && keyId === signature.keyId);
    if (!witness) continue;
    const time = witness.type === COSIGNATURE ? cosignatureTime(signature.signature) : undefined;
    if (time === undefined || time > now + skew || !witness.verify(text, signature.signature))
      throw new TlogError('tlog_signature', `the cosignature of ${witness.name}+${witness.keyId} is wrong`);
    fresh.set(keyOf(signature), signature);
  }
  if (fresh.size === 0)
    throw new TlogError('tlog_signature', `none of the ${witnesses.length} known witnesses has cosigned`);
  const kept = present.filter((signature) => !fresh.has(keyOf(signature)));
  return signNote(text, [], [...kept, ...fresh.values()]);
}

function keyOf({ name, keyId }: NoteSignature): string {
  return `${name}+${keyId}`;
}
