import { expectArgument } from '../errors.js';
import { EMPTY_ROOT, nodeHash, type Hash } from './hashing.js';
import { checkIndex, checkSize, splitPoint, subtreeNodes, type TreeNode } from './tree.js';

/** Where a tree's hashes come from. Asked once for each proof or root. */
export interface HashReader {
  /** The hashes of perfect subtrees, in the order asked for. */
  readHashes(nodes: readonly TreeNode[]): Promise<readonly Hash[]>;
}

/** Leaves [from, to). */
type Range = readonly [from: number, to: number];

/** RFC 6962, section 2.1: the Merkle tree hash of the first `size` leaves. */
export async function treeRoot(reader: HashReader, size: number): Promise<Hash> {
  checkSize(size);
  if (size === 0) return EMPTY_ROOT;
  const [root] = await rootsOf(reader, [[0, size]]);
  return root!;
}

/** RFC 6962, section 2.1.1: from the leaf's sibling up to the child of the root. */
export async function inclusionProof(reader: HashReader, index: number, size: number): Promise<Hash[]> {
  checkIndex(index, size);
  const siblings: Range[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + splitPoint(to - from);
    siblings.push(index < middle ? [middle, to] : [from, middle]);
    if (index < middle) to = middle;
    else from = middle;
  }
  return rootsOf(reader, siblings.reverse());
}

/** RFC 6962, section 2.1.2. Empty where nothing is to be proved: for equal sizes, and from the empty tree. */
export async function consistencyProof(reader: HashReader, oldSize: number, size: number): Promise<Hash[]> {
  checkSize(oldSize);
  checkSize(size);
  expectArgument(oldSize <= size, `a tree of ${oldSize} leaves is not the beginning of one of ${size}`);
  if (oldSize === 0 || oldSize === size) return [];
  const parts: Range[] = [];
  let [from, to] = [0, size];
  while (oldSize < to) {
    const middle = from + splitPoint(to - from);
    parts.push(oldSize <= middle ? [middle, to] : [from, middle]);
    if (oldSize <= middle) to = middle;
    else from = middle;
  }
  // Who asks knows the old root, and needs no hash of it where the old tree is one of the new one's subtrees.
  if (from > 0) parts.push([from, to]);
  return rootsOf(reader, parts.reverse());
}

/** The root of each subtree, with one call of the reader for all. */
async function rootsOf(reader: HashReader, ranges: readonly Range[]): Promise<Hash[]> {
  const nodes = ranges.map(([from, to]) => subtreeNodes(from, to));
  const wanted = nodes.flat();
  const hashes = wanted.length === 0 ? [] : await reader.readHashes(wanted);
  expectArgument(hashes.length === wanted.length, 'the hash reader gave fewer or more hashes than it was asked for');
  let at = 0;
  return nodes.map(({ length }) => {
    const own = hashes.slice(at, (at += length));
    return own.reduceRight((right, left) => nodeHash(left, right));
  });
}
