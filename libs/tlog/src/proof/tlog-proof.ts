import { expectArgument, malformed, TlogError } from '../errors.js';
import { type Hash } from '../merkle/hashing.js';
import { checkSize } from '../merkle/tree.js';
import { fromBase64, hashFromBase64, toBase64 } from '../note/base64.js';
import { parseDecimal } from '../note/decimal.js';
import { decodeText } from '../note/note-text.js';
import { readCheckpoint } from '../note/checkpoint.js';

/** C2SP tlog-proof, as text: a proof that something is in a log, to keep beside it. */
export interface TlogProof {
  index: number;
  /** From the leaf's sibling up to the child of the root. */
  proof: readonly Hash[];
  /** The signed note. */
  checkpoint: string;
  /** Whatever helps to make the leaf again; by itself it proves nothing. */
  extra?: Uint8Array;
}

/** As many as a tree of 2^53 - 1 leaves is high, and more. */
export const MAX_INCLUSION_HASHES = 63;

const HEADER = 'c2sp.org/tlog-proof@v1';
const EXTRA = 'extra ';
const INDEX = 'index ';

/** @throws TlogError tlog_argument, tlog_malformed when the checkpoint is none */
export function formatTlogProof({ index, proof, checkpoint, extra }: TlogProof): string {
  checkSize(index, 'leaf index');
  expectArgument(proof.length <= MAX_INCLUSION_HASHES, `an inclusion proof has at most ${MAX_INCLUSION_HASHES} hashes`);
  readCheckpoint(checkpoint);
  const lines = [HEADER, ...(extra ? [EXTRA + toBase64(extra)] : []), INDEX + index, ...proof.map(toBase64)];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** Nothing of it is verified. @throws TlogError tlog_malformed, tlog_too_large */
export function parseTlogProof(input: Uint8Array | string): TlogProof {
  const text = decodeText(input, 'tlog-proof');
  const split = text.indexOf('\n\n');
  const lines = split === -1 ? [] : text.slice(0, split).split('\n', MAX_INCLUSION_HASHES + 4);
  if (lines.shift() !== HEADER) throw malformed(`tlog-proof: must begin with ${HEADER}`);
  const extra = lines[0]?.startsWith(EXTRA) ? lines.shift()!.slice(EXTRA.length) : undefined;
  const index = lines.shift();
  if (!index?.startsWith(INDEX)) throw malformed('tlog-proof: has no index');
  if (lines.length > MAX_INCLUSION_HASHES)
    throw new TlogError('tlog_too_large', `tlog-proof: more than ${MAX_INCLUSION_HASHES} hashes`);
  const checkpoint = text.slice(split + 2);
  readCheckpoint(checkpoint);
  return {
    index: parseDecimal(index.slice(INDEX.length), 'index'),
    proof: lines.map((line) => hashFromBase64(line, 'inclusion proof')),
    checkpoint,
    ...(extra !== undefined && { extra: fromBase64(extra, 'extra') }),
  };
}
