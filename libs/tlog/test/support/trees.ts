import { hashFromBase64, leafHash, nodeHash, EMPTY_ROOT, splitPoint, type Hash, type HashReader } from '#tlog';

/** Entry `i` of the log that the vectors are made of. */
export const entry = (index: number): Buffer => Buffer.from(`entry ${index}`);
export const leaves = (size: number): Hash[] => Array.from({ length: size }, (_, index) => leafHash(entry(index)));
export const hash = (text: string): Hash => hashFromBase64(text, 'vector');
export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** RFC 6962, section 2.1, word for word: slow, and beyond doubt. */
export function naiveRoot(hashes: readonly Hash[]): Hash {
  if (hashes.length === 0) return EMPTY_ROOT;
  if (hashes.length === 1) return hashes[0]!;
  const k = splitPoint(hashes.length);
  return nodeHash(naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

/** Makes each hash from the leaves. */
export const readerOf = (hashes: readonly Hash[]): HashReader => ({
  readHashes: async (nodes) =>
    nodes.map(({ level, index }) => naiveRoot(hashes.slice(index * 2 ** level, (index + 1) * 2 ** level))),
});

/** A tree of any size, all of whose leaves are the same. */
export function uniformReader(leaf: Hash): HashReader {
  const levels = [leaf];
  while (levels.length < 54) levels.push(nodeHash(levels.at(-1)!, levels.at(-1)!));
  return { readHashes: async (nodes) => nodes.map(({ level }) => levels[level]!) };
}
