import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  changedTiles,
  consistencyProof,
  formatTlogProof,
  Frontier,
  inclusionProof,
  leafHash,
  NoteSigner,
  NoteVerifier,
  openCheckpoint,
  openNote,
  parseTilePath,
  parseTlogProof,
  signCheckpoint,
  signNote,
  tilePath,
  TreeEdge,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
  type Hash,
} from '#tlog';
import { base64, entry, hash, leaves, readerOf, uniformReader } from './support/trees.js';

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8')) as T;

describe('against golang.org/x/mod/sumdb/tlog and transparency-dev/merkle', () => {
  it('roots of 0 to 300 leaves, and of up to 70,000, are the same', () => {
    const { roots, large } = read<{ roots: string[]; large: Record<string, string> }>('roots');
    expect(roots).toHaveLength(301);
    const frontier = new Frontier();
    for (let size = 0; size <= 70_000; size++) {
      const expected = size <= 300 ? roots[size] : large[size];
      if (expected !== undefined) expect(`${size}: ${base64(frontier.root())}`).toBe(`${size}: ${expected}`);
      frontier.append(leafHash(entry(size)));
    }
    expect(Object.keys(large)).toHaveLength(12);
  });

  it('proofs are the same, and lead to the same roots', async () => {
    const vectors = read<{
      hashes: string[];
      roots: Record<string, string>;
      inclusion: { size: number; index: number; proof: number[] }[];
      consistency: { old: number; size: number; proof: number[] }[];
    }>('proofs');
    const hashes = leaves(5000);
    const edge = new TreeEdge();
    hashes.forEach((leaf) => edge.append(leaf));
    const reader = readerOf(hashes);
    const proofOf = (places: number[]) => places.map((place) => hash(vectors.hashes[place]!));
    const rootOf = (size: number) => hash(vectors.roots[size]!);
    expect(vectors.inclusion).toHaveLength(820 + 100);
    for (const { size, index, proof } of vectors.inclusion) {
      const own = await inclusionProof(reader, index, size);
      expect(own.map(base64)).toEqual(proof.map((place) => vectors.hashes[place]));
      const root = vectors.roots[size] ? rootOf(size) : await treeRoot(reader, size);
      verifyInclusion({ index, size, leafHash: hashes[index]!, root }, proofOf(proof));
    }
    expect(vectors.consistency).toHaveLength(820 + 100);
    for (const { old, size, proof } of vectors.consistency) {
      const own = await consistencyProof(reader, old, size);
      expect(own.map(base64)).toEqual(proof.map((place) => vectors.hashes[place]));
      verifyConsistency({ oldSize: old, oldRoot: rootOf(old), size, root: rootOf(size) }, proofOf(proof));
    }
  });

  it('proofs in trees of up to 2^53 - 1 leaves are the same', async () => {
    const vectors = read<{
      leaf: string;
      hashes: string[];
      giants: {
        size: number;
        root: string;
        index: number;
        inclusion: number[];
        old: number;
        oldRoot: string;
        consistency: number[];
      }[];
    }>('giants');
    const leaf = leafHash(Buffer.from(vectors.leaf));
    const reader = uniformReader(leaf);
    for (const { size, root, index, inclusion, old, oldRoot, consistency } of vectors.giants) {
      const textOf = (places: number[]) => places.map((place) => vectors.hashes[place]);
      expect(base64(await treeRoot(reader, size))).toBe(root);
      const included = await inclusionProof(reader, index, size);
      expect(included.map(base64)).toEqual(textOf(inclusion));
      verifyInclusion({ index, size, leafHash: leaf, root: hash(root) }, included);
      const extended = await consistencyProof(reader, old, size);
      expect(extended.map(base64)).toEqual(textOf(consistency));
      verifyConsistency({ oldSize: old, oldRoot: hash(oldRoot), size, root: hash(root) }, extended);
    }
    expect(Math.max(...vectors.giants.map(({ size }) => size))).toBe(Number.MAX_SAFE_INTEGER);
  });

  describe('tiles', () => {
    const vectors = read<{
      paths: [level: number, index: number, width: number, path: string][];
      growth: { old: number; size: number; paths: string[] }[];
      size: number;
      sha256: Record<string, string>;
      bytes: Record<string, string>;
    }>('tiles');

    it('have the same paths', () => {
      for (const [level, index, width, path] of vectors.paths) {
        if ((index * 256 + width) * 256 ** level > Number.MAX_SAFE_INTEGER) continue;
        expect(tilePath({ level, index, width })).toBe(path);
        expect(parseTilePath(path)).toEqual({ kind: 'tile', level, index, width });
      }
    });

    it('change in the same places when a tree grows', () => {
      for (const { old, size, paths } of vectors.growth)
        expect([...changedTiles(old, size)].map(tilePath)).toEqual(paths);
    });

    it('have the same bytes', () => {
      const edge = new TreeEdge();
      for (let index = 0; index < vectors.size; index++) edge.append(leafHash(entry(index)));
      const tiles = edge.takeChanged();
      const digests = tiles.map((tile) => [tilePath(tile), createHash('sha256').update(tile.bytes).digest('hex')]);
      expect(Object.fromEntries(digests)).toEqual(vectors.sha256);
      const bytes = new Map(tiles.map((tile) => [tilePath(tile), base64(tile.bytes)]));
      for (const [path, expected] of Object.entries(vectors.bytes)) expect(bytes.get(path)).toBe(expected);
    });
  });
});

describe('against golang.org/x/mod/sumdb/note and transparency-dev/formats', () => {
  const vectors = read<{
    signer: string;
    verifier: string;
    nextSigner: string;
    nextVerifier: string;
    witnessSigner: string;
    witnessVerifier: string;
    notes: { text: string; note: string }[];
    checkpoints: { size: number; root: string; note: string; both: string; cosigned: string }[];
    proof: string;
  }>('notes');
  const verifier = NoteVerifier.parse(vectors.verifier);
  const next = NoteVerifier.parse(vectors.nextVerifier);
  const witness = NoteVerifier.parse(vectors.witnessVerifier);
  const signer = NoteSigner.parse(vectors.signer);

  it('keys are read and written the same', () => {
    for (const key of [verifier, next, witness]) expect(NoteVerifier.parse(String(key))).toEqual(key);
    for (const [secret, key] of [
      [vectors.signer, verifier],
      [vectors.nextSigner, next],
      [vectors.witnessSigner, witness],
    ] as const) {
      expect(NoteSigner.parse(secret).exportSecret()).toBe(secret);
      expect(String(NoteSigner.parse(secret).verifier)).toBe(String(key));
    }
  });

  it('notes that they signed are opened, and ours are the same byte for byte', () => {
    for (const { text, note } of vectors.notes) {
      expect(openNote(note, [verifier])).toMatchObject({ text, verified: [{ name: verifier.name }], unknown: [] });
      expect(signNote(text, [signer])).toBe(note);
    }
  });

  it('checkpoints that they signed are opened, and ours are the same byte for byte', () => {
    for (const { size, root, note, both } of vectors.checkpoints) {
      expect(openCheckpoint(note, verifier)).toMatchObject({ origin: verifier.name, size, root: hash(root) });
      expect(signCheckpoint({ size, root: hash(root) }, signer)).toBe(note);
      expect(openCheckpoint(both, [verifier, next]).note.verified).toHaveLength(2);
      expect(openCheckpoint(both, next)).toMatchObject({ size, note: { unknown: [{ name: verifier.name }] } });
    }
  });

  it('cosignatures that they made are checked, and ours at the same second are the same byte for byte', () => {
    for (const { size, root, cosigned } of vectors.checkpoints) {
      const { note } = openCheckpoint(cosigned, verifier, [witness]);
      const time = note.verified[1]!.time!;
      expect(time).toBeGreaterThan(1_700_000_000);
      const own = signCheckpoint({ size, root: hash(root) }, signer);
      const again = NoteSigner.parse(vectors.witnessSigner, () => time * 1000 + 999);
      expect(signNote(note.text, [signer, again])).toBe(cosigned);
      expect(cosigned.startsWith(own)).toBe(true);
    }
  });

  it('a proof as text is the same byte for byte, and verifies', () => {
    const proof = parseTlogProof(vectors.proof);
    expect(formatTlogProof(proof)).toBe(vectors.proof);
    expect(Buffer.from(proof.extra!)).toEqual(entry(123));
    const { size, root } = openCheckpoint(proof.checkpoint, verifier);
    const leaf: Hash = leafHash(entry(123));
    verifyInclusion({ index: proof.index, size, leafHash: leaf, root }, proof.proof);
  });
});
