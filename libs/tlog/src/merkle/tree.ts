import { expectArgument } from '../errors.js';

/**
 * Arithmetic of trees of up to 2^53 - 1 leaves. Bit operators cut a number to 32 bits, so halves and powers are taken by division.
 *
 * A node (level, index) is the root of the perfect subtree over the leaves [index * 2^level, (index + 1) * 2^level): those are the hashes
 * that never change once they are there. Every other subtree's root is made of a few of them.
 */
export interface TreeNode {
  level: number;
  index: number;
}

export const MAX_SIZE = Number.MAX_SAFE_INTEGER;
/** A tree of MAX_SIZE leaves has perfect subtrees of up to 2^52. */
export const MAX_LEVEL = 52;

const TWO_TO_32 = 2 ** 32;

/** @throws TlogError tlog_argument */
export function checkSize(size: number, what = 'tree size'): void {
  expectArgument(Number.isSafeInteger(size) && size >= 0, `${what}: expected a whole number from 0 to 2^53 - 1`);
}

/** @throws TlogError tlog_argument unless it is the index of a leaf in a tree of that size */
export function checkIndex(index: number, size: number): void {
  checkSize(size);
  checkSize(index, 'leaf index');
  expectArgument(index < size, `leaf index ${index} is not in a tree of ${size} leaves`);
}

/** The number of bits of a whole number: 0 for 0, 53 for MAX_SIZE. */
export function bitLength(number: number): number {
  return number < TWO_TO_32 ? 32 - Math.clz32(number) : 64 - Math.clz32(Math.floor(number / TWO_TO_32));
}

/** The largest power of two below `size`: so many leaves are in the left half (RFC 6962's k). `size` is 2 at least. */
export function splitPoint(size: number): number {
  expectArgument(Number.isSafeInteger(size) && size >= 2, 'split point: expected a size of at least 2');
  return 2 ** (bitLength(size - 1) - 1);
}

/**
 * The perfect subtrees that make up the leaves [from, to), from the left, which is from the largest on. For subtrees as they occur in
 * a tree: `from` is a multiple of the largest power of two that is not above their number of leaves.
 */
export function subtreeNodes(from: number, to: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let at = from; at < to;) {
    const level = bitLength(to - at) - 1;
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}
