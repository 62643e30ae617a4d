import { expectArgument, malformed, TlogError } from '../errors.js';
import { checkHash, EMPTY_ROOT, sameHash, type Hash } from '../merkle/hashing.js';
import { checkSize } from '../merkle/tree.js';
import { hashFromBase64, toBase64 } from './base64.js';
import { parseDecimal } from './decimal.js';
import { ED25519, type NoteSigner, type NoteVerifier } from './keys.js';
import { decodeText } from './note-text.js';
import { openNote, parseNote, signNote, type OpenedNote } from './signed-note.js';

/** C2SP tlog-checkpoint: what a log says of itself at one size. */
export interface Checkpoint {
  /** Names the log, and no other. */
  origin: string;
  size: number;
  root: Hash;
  /** Further lines, which nobody can audit: not recommended. */
  extensions: readonly string[];
}

export type CheckpointHead = Omit<Checkpoint, 'extensions'>;

/** The note's text. @throws TlogError tlog_argument */
export function formatCheckpoint({
  origin,
  size,
  root,
  extensions = [],
}: CheckpointHead & Partial<Checkpoint>): string {
  checkSize(size);
  checkHash(root);
  expectArgument(size > 0 || sameHash(root, EMPTY_ROOT), 'checkpoint: the root of no leaves is SHA-256 of nothing');
  const lines = [origin, String(size), toBase64(root), ...extensions];
  expectArgument(
    lines.every((line) => line !== '' && !line.includes('\n')),
    'checkpoint: origin and extensions are lines that are not empty',
  );
  return `${lines.join('\n')}\n`;
}

/** @param text of a note @throws TlogError tlog_malformed */
export function parseCheckpoint(text: string): Checkpoint {
  const body = decodeText(text, 'checkpoint');
  const [origin = '', size = '', root = '', ...extensions] = body.endsWith('\n') ? body.slice(0, -1).split('\n') : [];
  if (origin === '') throw malformed('checkpoint: expected origin, size and root, a line each');
  if (extensions.includes('')) throw malformed('checkpoint: an extension line is empty');
  const checkpoint = {
    origin,
    size: parseDecimal(size, 'checkpoint size'),
    root: hashFromBase64(root, 'checkpoint root'),
    extensions,
  };
  if (checkpoint.size === 0 && !sameHash(checkpoint.root, EMPTY_ROOT))
    throw malformed('checkpoint: the root of no leaves is SHA-256 of nothing');
  return checkpoint;
}

/** The signed note. The signer is the log, so its name is the origin. @throws TlogError tlog_argument */
export function signCheckpoint(head: Omit<CheckpointHead, 'origin'>, signer: NoteSigner): string {
  return signNote(formatCheckpoint({ ...head, origin: signer.name }), [signer]);
}

/** Reads a checkpoint without believing it: for what is known by another way, such as its place in a table. */
export function readCheckpoint(note: Uint8Array | string): Checkpoint {
  return parseCheckpoint(parseNote(note).text);
}

export interface OpenedCheckpoint extends Checkpoint {
  note: OpenedNote;
}

/**
 * Reads a checkpoint that the log itself has signed. Several keys are one after the other: a key that was replaced.
 *
 * @param log the log's keys, by the name of its origin: what another origin's log has signed is refused
 * @param witnesses whose cosignatures are checked too; those of others are put aside
 * @throws TlogError tlog_malformed, tlog_too_large, tlog_signature, tlog_origin
 */
export function openCheckpoint(
  note: Uint8Array | string,
  log: NoteVerifier | readonly NoteVerifier[],
  witnesses: readonly NoteVerifier[] = [],
): OpenedCheckpoint {
  const keys = 'name' in log ? [log] : log;
  const [expected] = keys;
  expectArgument(
    expected !== undefined && keys.every(({ type, name }) => type === ED25519 && name === expected.name),
    "checkpoint: give the log's keys, which are of type 1 and of one name",
  );
  const { origin, ...checkpoint } = readCheckpoint(note);
  if (origin !== expected.name)
    throw new TlogError('tlog_origin', `checkpoint: is of the log ${origin}, expected ${expected.name}`);
  const opened = openNote(note, [...keys, ...witnesses]);
  if (!opened.verified.some(({ verifier }) => keys.includes(verifier)))
    throw new TlogError('tlog_signature', `checkpoint: the log ${origin} has not signed it`);
  return { origin, ...checkpoint, note: opened };
}
