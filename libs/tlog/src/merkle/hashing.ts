import { hash } from 'node:crypto';
import { expectArgument } from '../errors.js';

/** RFC 6962, section 2.1: SHA-256, with one byte in front that keeps leaves and nodes apart. */

/** 32 bytes. */
export type Hash = Uint8Array;

export const HASH_BYTES = 32;

const NODE = 1;
/** Nearly every entry fits; what is hashed here is never kept. */
const leaf = Buffer.alloc(4096);

/** The root of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Hash = hash('sha256', '', 'buffer');

/** SHA-256(0x00 || entry). */
export function leafHash(entry: Uint8Array): Buffer {
  if (entry.length >= leaf.length) return hash('sha256', Buffer.concat([leaf.subarray(0, 1), entry]), 'buffer');
  leaf.set(entry, 1);
  return hash('sha256', leaf.subarray(0, 1 + entry.length), 'buffer');
}

/** The same for nodes. */
const pair = Buffer.alloc(1 + 2 * HASH_BYTES, NODE);

/** SHA-256(0x01 || left || right). @throws TlogError tlog_argument when one is not 32 bytes */
export function nodeHash(left: Hash, right: Hash): Buffer {
  checkHash(left);
  checkHash(right);
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return hash('sha256', pair, 'buffer');
}

export function sameHash(one: Hash, other: Hash): boolean {
  return Buffer.compare(one, other) === 0;
}

/** @throws TlogError tlog_argument when it is not 32 bytes */
export function checkHash(value: Hash): void {
  expectArgument(value instanceof Uint8Array && value.length === HASH_BYTES, 'a hash has 32 bytes');
}
