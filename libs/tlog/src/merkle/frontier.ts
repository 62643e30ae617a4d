import { malformed, expectArgument } from '../errors.js';
import { checkHash, EMPTY_ROOT, HASH_BYTES, nodeHash, type Hash } from './hashing.js';
import { bitLength, checkSize, MAX_SIZE, subtreeNodes, type TreeNode } from './tree.js';

const SIZE_BYTES = 8;

/**
 * The right edge of a growing tree: the roots of the perfect subtrees that its leaves make up, one for each bit of its size, the largest
 * first. All that is needed to append and to tell the root, in at most 53 hashes.
 */
export class Frontier {
  private count = 0;
  private readonly hashes: Hash[] = [];

  get size(): number {
    return this.count;
  }

  /** The subtrees that the hashes given to `of` belong to. */
  static nodes(size: number): TreeNode[] {
    checkSize(size);
    return subtreeNodes(0, size);
  }

  /** @param hashes of `Frontier.nodes(size)` */
  static of(size: number, hashes: readonly Hash[]): Frontier {
    const nodes = Frontier.nodes(size);
    expectArgument(
      hashes.length === nodes.length,
      `the edge of ${size} leaves has ${nodes.length} hashes, not ${hashes.length}`,
    );
    hashes.forEach(checkHash);
    const frontier = new Frontier();
    frontier.count = size;
    frontier.hashes.push(...hashes.map((hash) => Buffer.from(hash)));
    return frontier;
  }

  /**
   * Appends a leaf by its hash.
   *
   * @param onNode called for each perfect subtree that it completes, from the leaf itself upwards
   */
  append(leafHash: Hash, onNode?: (level: number, hash: Hash) => void): void {
    checkHash(leafHash);
    expectArgument(this.count < MAX_SIZE, 'the tree is full');
    let hash = leafHash;
    onNode?.(0, hash);
    let rest = this.count;
    for (let level = 1; rest % 2 === 1; level++) {
      hash = nodeHash(this.hashes.pop()!, hash);
      onNode?.(level, hash);
      rest = (rest - 1) / 2;
    }
    // What the caller gave stays the caller's.
    this.hashes.push(hash === leafHash ? Buffer.from(hash) : hash);
    this.count++;
  }

  root(): Hash {
    const { hashes } = this;
    return hashes.length === 0 ? EMPTY_ROOT : hashes.reduceRight((right, left) => nodeHash(left, right));
  }

  copy(): Frontier {
    return Frontier.of(this.count, this.hashes);
  }

  /** The size as u64, big-endian, then the hashes. */
  encode(): Buffer {
    const size = Buffer.alloc(SIZE_BYTES);
    size.writeBigUInt64BE(BigInt(this.count));
    return Buffer.concat([size, ...this.hashes]);
  }

  /** @throws TlogError tlog_malformed */
  static decode(bytes: Uint8Array): Frontier {
    const buffer = Buffer.from(bytes);
    const size = buffer.length >= SIZE_BYTES ? buffer.readBigUInt64BE() : undefined;
    if (size === undefined || size > BigInt(MAX_SIZE)) throw malformed('the edge of a tree begins with its size');
    const hashes = buffer.subarray(SIZE_BYTES);
    const expected = popcount(Number(size)) * HASH_BYTES;
    if (hashes.length !== expected)
      throw malformed(`the edge of ${size} leaves has ${expected} bytes of hashes, not ${hashes.length}`);
    return Frontier.of(Number(size), splitHashes(hashes));
  }
}

/** Views of 32 bytes each; the length is a multiple of that. */
export function splitHashes(bytes: Uint8Array): Hash[] {
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) =>
    bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

function popcount(number: number): number {
  let count = 0;
  for (let rest = number; rest > 0; rest -= 2 ** (bitLength(rest) - 1)) count++;
  return count;
}
