import { expectArgument, malformed, TlogError } from '../errors.js';
import { checkHash, type Hash } from '../merkle/hashing.js';
import { checkSize } from '../merkle/tree.js';
import { hashFromBase64, toBase64 } from '../note/base64.js';
import { parseDecimal } from '../note/decimal.js';
import { type NoteSigner, type NoteVerifier } from '../note/keys.js';
import { openNote, parseNote, signNote } from '../note/signed-note.js';

/**
 * What a log says of a month of its tenant before the month's events may be dropped: which leaves they have, by number and digest, and
 * what the whole log was then. Afterwards exactly these leaves may be without an event, and no other.
 *
 * A signed note of the log. Its second line is no number, so it is never taken for a checkpoint:
 *
 *     <origin>
 *     gravitas-seal/v1
 *     month 2026-10
 *     leaves <number>
 *     digest <base64, see SealDigest>
 *     size <leaves of the log>
 *     root <base64, of that size>
 */
export interface Seal {
  origin: string;
  /** `YYYY-MM`, UTC. */
  month: string;
  leaves: number;
  digest: Hash;
  size: number;
  root: Hash;
}

const HEADER = 'gravitas-seal/v1';
const MONTH = /^\d{4}-(?:0[1-9]|1[0-2])$/;

/** @throws TlogError tlog_argument */
export function signSeal({ month, leaves, digest, size, root }: Omit<Seal, 'origin'>, signer: NoteSigner): string {
  expectArgument(MONTH.test(month), 'seal: expected a month, as YYYY-MM');
  checkSize(size);
  checkSize(leaves, 'seal: leaves');
  expectArgument(leaves <= size, 'seal: a month has no more leaves than the log');
  [digest, root].forEach(checkHash);
  const lines = [
    signer.name,
    HEADER,
    `month ${month}`,
    `leaves ${leaves}`,
    `digest ${toBase64(digest)}`,
    `size ${size}`,
    `root ${toBase64(root)}`,
  ];
  return signNote(`${lines.join('\n')}\n`, [signer]);
}

/**
 * @param log the log's keys, by the name of its origin
 * @throws TlogError tlog_malformed, tlog_too_large, tlog_signature, tlog_origin
 */
export function openSeal(note: Uint8Array | string, log: NoteVerifier | readonly NoteVerifier[]): Seal {
  const keys = 'name' in log ? [log] : log;
  const seal = parseSeal(parseNote(note).text);
  if (!keys.length || keys.some(({ name }) => name !== seal.origin))
    throw new TlogError('tlog_origin', `seal: is of the log ${seal.origin}`);
  openNote(note, keys);
  return seal;
}

function parseSeal(text: string): Seal {
  const [origin = '', header, ...lines] = text.slice(0, -1).split('\n');
  if (origin === '' || header !== HEADER) throw malformed(`seal: must have an origin, and ${HEADER} below it`);
  const names = ['month', 'leaves', 'digest', 'size', 'root'];
  const values = lines.map((line, i) => {
    const name = `${names[i]} `;
    if (i >= names.length || !line.startsWith(name)) throw malformed(`seal: expected the lines ${names.join(', ')}`);
    return line.slice(name.length);
  });
  const [month = '', leaves = '', digest = '', size = '', root = ''] = values;
  const seal = {
    origin,
    month,
    leaves: parseDecimal(leaves, 'seal: leaves'),
    digest: hashFromBase64(digest, 'seal: digest'),
    size: parseDecimal(size, 'seal: size'),
    root: hashFromBase64(root, 'seal: root'),
  };
  if (!MONTH.test(month) || seal.leaves > seal.size) throw malformed('seal: makes no sense');
  return seal;
}
