import { expectArgument, TlogError } from '../errors.js';
import { checkHash, EMPTY_ROOT, nodeHash, sameHash, type Hash } from './hashing.js';
import { checkIndex, checkSize } from './tree.js';

export interface InclusionClaim {
  index: number;
  size: number;
  leafHash: Hash;
  root: Hash;
}

export interface ConsistencyClaim {
  oldSize: number;
  oldRoot: Hash;
  size: number;
  root: Hash;
}

/** Halves a whole number, down. */
const half = (number: number): number => Math.floor(number / 2);
const isOdd = (number: number): boolean => number % 2 === 1;

/**
 * RFC 9162, section 2.1.3.2. Returns when the leaf is in the tree.
 *
 * @throws TlogError tlog_proof when the proof does not show it, tlog_argument when what is claimed makes no sense
 */
export function verifyInclusion({ index, size, leafHash, root }: InclusionClaim, proof: readonly Hash[]): void {
  checkIndex(index, size);
  [leafHash, root, ...proof].forEach(checkHash);
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0) throw wrong('inclusion', 'it is too long');
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) throw wrong('inclusion', 'it is too short');
  if (!sameHash(hash, root)) throw wrong('inclusion', 'it leads to another root');
}

/**
 * RFC 9162, section 2.1.4.2. Returns when the old tree is the beginning of the new one.
 *
 * @throws TlogError tlog_proof when the proof does not show it, tlog_argument when what is claimed makes no sense
 */
export function verifyConsistency({ oldSize, oldRoot, size, root }: ConsistencyClaim, proof: readonly Hash[]): void {
  checkSize(oldSize);
  checkSize(size);
  expectArgument(oldSize <= size, `a tree of ${oldSize} leaves is not the beginning of one of ${size}`);
  [oldRoot, root, ...proof].forEach(checkHash);
  if (oldSize === 0 || oldSize === size) {
    if (proof.length > 0) throw wrong('consistency', 'it is too long');
    if (oldSize === 0 && !sameHash(oldRoot, EMPTY_ROOT))
      throw wrong('consistency', 'the old root is not that of no leaves');
    if (size === 0 || oldSize > 0) checkSameRoot(oldRoot, root);
    return;
  }

  let node = oldSize - 1;
  let last = size - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // The old tree is a perfect subtree of the new one: then its root is what the proof begins with.
  const [seed, ...rest] = node === 0 ? [oldRoot, ...proof] : proof;
  if (!seed) throw wrong('consistency', 'it is too short');
  let oldHash = seed;
  let hash = seed;
  for (const sibling of rest) {
    if (last === 0) throw wrong('consistency', 'it is too long');
    if (isOdd(node) || node === last) {
      oldHash = nodeHash(sibling, oldHash);
      hash = nodeHash(sibling, hash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) throw wrong('consistency', 'it is too short');
  if (!sameHash(oldHash, oldRoot)) throw wrong('consistency', 'it leads to another old root');
  checkSameRoot(hash, root);
}

function checkSameRoot(hash: Hash, root: Hash): void {
  if (!sameHash(hash, root)) throw wrong('consistency', 'it leads to another root');
}

function wrong(kind: 'inclusion' | 'consistency', why: string): TlogError {
  return new TlogError('tlog_proof', `the ${kind} proof is wrong: ${why}`);
}
