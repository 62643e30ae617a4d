import { createHash } from 'node:crypto';
import { expectArgument } from '../errors.js';
import { checkHash, type Hash } from '../merkle/hashing.js';
import { checkSize } from '../merkle/tree.js';

const INDEX_BYTES = 8;

/** SHA-256 of the leaves of a month, each as its index (u64, big-endian) and its hash, by index. */
export class SealDigest {
  /** Leaves so far. */
  count = 0;
  /** Of the first leaf; -1 before that. */
  first = -1;
  private last = -1;
  private readonly sha256 = createHash('sha256');
  private readonly index = Buffer.alloc(INDEX_BYTES);

  /** @throws TlogError tlog_argument unless each index is above the one before */
  add(index: number, leafHash: Hash): void {
    checkSize(index, 'leaf index');
    checkHash(leafHash);
    expectArgument(index > this.last, 'the leaves of a seal come by index, each once');
    if (this.count === 0) this.first = index;
    this.last = index;
    this.count++;
    this.index.writeBigUInt64BE(BigInt(index));
    this.sha256.update(this.index).update(leafHash);
  }

  /** May be asked for at any time; more leaves can follow. */
  digest(): Hash {
    return this.sha256.copy().digest();
  }
}
