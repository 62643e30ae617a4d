import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { leaves, naiveRoot, readerOf } from '../../test/support/trees.js';
import { sameHash, type Hash } from '../merkle/hashing.js';
import { consistencyProof, inclusionProof, treeRoot } from '../merkle/proofs.js';
import { verifyConsistency, verifyInclusion } from '../merkle/verify.js';
import { decodeBundle, encodeBundle, MAX_ENTRY_BYTES } from './entry-bundle.js';
import { TileHashReader, type TileSource } from './tile-hash-reader.js';
import { bundlePath, parseTilePath, tilePath } from './tile-path.js';
import {
  changedTiles,
  decodeTile,
  encodeTile,
  firstLeaf,
  levelWidth,
  partialTiles,
  tileWidth,
  type Tile,
} from './tile.js';
import { TreeEdge } from './tree-edge.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const MAX = 70_000;
const all = leaves(MAX);

/** Keeps tiles as a log does: the widest of each place. */
class Shelf implements TileSource {
  readonly tiles = new Map<string, Uint8Array>();
  reads = 0;

  put(tiles: readonly (Tile & { bytes: Uint8Array })[]): void {
    for (const { level, index, width, bytes } of tiles) {
      expect(bytes).toHaveLength(width * 32);
      this.tiles.set(`${level}/${index}`, bytes);
    }
  }

  readonly readTiles = async (wanted: readonly Tile[]): Promise<Uint8Array[]> => {
    this.reads += wanted.length;
    return wanted.map(({ level, index }) => this.tiles.get(`${level}/${index}`)!);
  };
}

function shelfOf(size: number): Shelf {
  const edge = new TreeEdge();
  const shelf = new Shelf();
  for (const leaf of all.slice(0, size)) edge.append(leaf);
  shelf.put(edge.takeChanged());
  return shelf;
}

/** As tlog-tiles defines them: each hash from its leaves. */
function naiveTile({ level, index, width }: Tile): Uint8Array {
  const span = 256 ** level;
  return encodeTile(
    Array.from({ length: width }, (_, i) => {
      const from = (index * 256 + i) * span;
      return naiveRoot(all.slice(from, from + span));
    }),
  );
}

describe('tiles of a growing tree', () => {
  it('are the tiles of the tree built at once, and each is as the specification defines it', async () => {
    const steps = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (steps, reopen) => {
        const shelf = new Shelf();
        let edge = new TreeEdge();
        for (const step of steps) {
          const before = edge.size;
          for (const leaf of all.slice(before, before + step)) edge.append(leaf);
          const changed = edge.takeChanged();
          const named = changed.map(tilePath).sort();
          expect(named).toEqual([...changedTiles(before, edge.size)].map(tilePath).sort());
          shelf.put(changed);
          expect(edge.takeChanged()).toEqual([]);
          if (reopen) edge = await TreeEdge.open(edge.size, shelf, edge.root());
        }
        expect(new Map([...shelf.tiles].sort())).toEqual(new Map([...shelfOf(edge.size).tiles].sort()));
        for (const tile of changedTiles(0, edge.size))
          expect(Buffer.from(shelf.tiles.get(`${tile.level}/${tile.index}`)!)).toEqual(naiveTile(tile));
      }),
      { numRuns: 12 },
    );
  });

  it('give proofs that verify, in a tree of three levels, from a few tiles', async () => {
    const shelf = shelfOf(MAX);
    const reader = new TileHashReader(MAX, shelf);
    const root = await treeRoot(reader, MAX);
    const edge = await TreeEdge.open(MAX, shelf, root);
    expect(sameHash(edge.root(), root)).toBe(true);
    const sizes = [1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 69_999, MAX];
    for (const size of sizes) {
      const own = new TileHashReader(size, shelf);
      const ownRoot = await treeRoot(own, size);
      for (const index of [0, Math.floor(size / 3), size - 1]) {
        shelf.reads = 0;
        const proof = await inclusionProof(own, index, size);
        expect(shelf.reads).toBeLessThanOrEqual(2 * 3);
        verifyInclusion({ index, size, leafHash: all[index]!, root: ownRoot }, proof);
      }
      const proof = await consistencyProof(reader, size, MAX);
      verifyConsistency({ oldSize: size, oldRoot: ownRoot, size: MAX, root }, proof);
    }
  });

  it('are read from a naive tree and from tiles alike', async () => {
    const shelf = shelfOf(1000);
    const [naive, tiled] = [readerOf(all.slice(0, 1000)), new TileHashReader(1000, shelf)];
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 9 }), fc.nat(999), async (level, at) => {
        const count = Math.floor(1000 / 2 ** level);
        const nodes = [{ level, index: at % count }];
        expect(await tiled.readHashes(nodes)).toEqual(await naive.readHashes(nodes));
      }),
    );
    for (const node of [
      { level: 0, index: 1000 },
      { level: 9, index: 1 },
      { level: 40, index: 0 },
      { level: 0, index: -1 },
    ])
      await expect(tiled.readHashes([node])).rejects.toThrow(code('tlog_argument'));
  });

  it('tell that they changed only when they did', () => {
    const edge = new TreeEdge();
    for (const leaf of all.slice(0, 600)) edge.append(leaf);
    expect(edge.takeFull().map(tilePath)).toEqual(['tile/0/000', 'tile/0/001']);
    expect(edge.takeChanged().map(tilePath)).toEqual(['tile/0/002.p/88', 'tile/1/000.p/2']);
    edge.append(all[600]!);
    expect(edge.takeChanged().map(tilePath)).toEqual(['tile/0/002.p/89']);
  });

  it('do not change any more once they are handed out', () => {
    const edge = new TreeEdge();
    edge.append(all[0]!);
    const [tile] = edge.takeChanged();
    const before = Buffer.from(tile!.bytes);
    for (const leaf of all.slice(1, 600)) edge.append(leaf);
    expect(tile!.bytes).toEqual(before);
  });

  it('must be taken before memory is full of them', () => {
    const edge = new TreeEdge();
    const leaf = all[0]!;
    const most = () => {
      for (;;) edge.append(leaf);
    };
    expect(most).toThrow(code('tlog_argument'));
    expect(edge.size).toBe(4081 * 256);
    edge.takeFull();
    edge.append(leaf);
  });

  it('of another tree do not open it', async () => {
    const shelf = shelfOf(700);
    const root = naiveRoot(all.slice(0, 700));
    await expect(TreeEdge.open(699, shelf, root)).rejects.toThrow(code('tlog_proof'));
    await expect(TreeEdge.open(701, shelf, root)).rejects.toThrow(code('tlog_malformed'));
    await expect(TreeEdge.open(700, { readTiles: async () => [] }, root)).rejects.toThrow(code('tlog_argument'));
    shelf.tiles.get('1/0')![3]! ^= 1;
    await expect(TreeEdge.open(700, shelf, root)).rejects.toThrow(code('tlog_proof'));
    const short: TileSource = { readTiles: async (wanted) => wanted.map(() => Buffer.alloc(31)) };
    await expect(treeRoot(new TileHashReader(700, short), 700)).rejects.toThrow(code('tlog_malformed'));
    await expect(treeRoot(new TileHashReader(700, { readTiles: async () => [] }), 700)).rejects.toThrow(
      code('tlog_argument'),
    );
  });
});

describe('the arithmetic of tiles', () => {
  it('knows the example of the specification', () => {
    const tiles = [...changedTiles(0, 70_000)];
    const count = (level: number, full: boolean) =>
      tiles.filter((tile) => tile.level === level && (tile.width === 256) === full).length;
    expect([count(0, true), count(1, true), count(2, true)]).toEqual([273, 1, 0]);
    expect(partialTiles(70_000)).toEqual([
      { level: 0, index: 273, width: 112 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 },
    ]);
    expect(partialTiles(256)).toEqual([{ level: 1, index: 0, width: 1 }]);
    expect(partialTiles(0)).toEqual([]);
  });

  it('is exact up to 2^53 - 1', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(partialTiles(most).map(({ level, width }) => [level, width])).toEqual([
      [0, 255],
      [1, 255],
      [2, 255],
      [3, 255],
      [4, 255],
      [5, 255],
      [6, 31],
    ]);
    expect([...changedTiles(most - 1, most)]).toEqual([{ level: 0, index: 2 ** 45 - 1, width: 255 }]);
    expect(levelWidth(6, most)).toBe(31);
    expect(tileWidth(0, 2 ** 45 - 1, most)).toBe(255);
    expect(tileWidth(3, 2 ** 21, most)).toBe(0);
    expect(firstLeaf({ level: 6, index: 0 }, 31)).toBe(31 * 2 ** 48);
    for (const wrong of [-1, 0.5, 2 ** 53, NaN]) {
      expect(() => [...changedTiles(0, wrong)]).toThrow(code('tlog_argument'));
      expect(() => partialTiles(wrong)).toThrow(code('tlog_argument'));
    }
    expect(() => [...changedTiles(2, 1)]).toThrow(code('tlog_argument'));
  });
});

describe('paths', () => {
  const tile = fc.record({
    level: fc.integer({ min: 0, max: 3 }),
    index: fc.oneof(fc.nat(2000), fc.nat(2 ** 20)),
    width: fc.integer({ min: 1, max: 256 }),
  });

  it('are read back as what they were made of', () => {
    fc.assert(
      fc.property(tile, (tile) => {
        expect(parseTilePath(tilePath(tile))).toEqual({ kind: 'tile', ...tile });
        const { level: _, ...bundle } = tile;
        expect(parseTilePath(bundlePath(bundle))).toEqual({ kind: 'entries', ...bundle });
      }),
    );
    expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067');
    expect(bundlePath({ index: 1_234_067, width: 3 })).toBe('tile/entries/x001/x234/067.p/3');
    const last = { index: 2 ** 45 - 1, width: 255 };
    expect(parseTilePath(bundlePath(last))).toEqual({ kind: 'entries', ...last });
  });

  it('have one spelling', () => {
    for (const path of [
      '',
      'tile',
      'tile/0',
      'tile/0/',
      'tile/0/0',
      'tile/0/1000',
      'tile/0/x000/001',
      'tile/0/001/x001',
      'tile/0/x001',
      'tile/0/X001/001',
      'tile/00/001',
      'tile/-1/001',
      'tile/7/000',
      'tile/64/001',
      'tile/data/001',
      'tile/0/001.p/0',
      'tile/0/001.p/00',
      'tile/0/001.p/01',
      'tile/0/001.p/256',
      'tile/0/001.p/999',
      'tile/0/001.p/',
      'tile/0/001.p',
      'tile/0/001/',
      '/tile/0/001',
      'tile/0/001?x',
      'tile/0/001\n',
      'tile/0/../001',
      'tile/0/x035/x184/x372/x088/832',
      'tile/1/x999/x999/x999/x999/999',
      'tile/0/x999/x999/x999/x999/x999/999',
      `tile/0/${'x001/'.repeat(1000)}001`,
    ])
      expect(() => parseTilePath(path)).toThrow(code('tlog_malformed'));
  });

  it('are made of tiles that can be', () => {
    for (const wrong of [{ level: 7 }, { level: -1 }, { width: 0 }, { width: 257 }, { index: -1 }, { index: 2 ** 45 }])
      expect(() => tilePath({ level: 0, index: 0, width: 1, ...wrong })).toThrow(code('tlog_argument'));
    expect(() => bundlePath({ index: 0.5, width: 1 })).toThrow(code('tlog_argument'));
  });
});

describe('bytes of tiles and bundles', () => {
  it('are read back as what they were made of', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });
    fc.assert(
      fc.property(entries, (entries) => {
        const read = decodeBundle(encodeBundle(entries), entries.length);
        expect(read.map((entry) => Buffer.from(entry))).toEqual(entries.map((entry) => Buffer.from(entry)));
      }),
    );
    const hashes: Hash[] = all.slice(0, 256);
    expect(decodeTile(encodeTile(hashes), 256)).toEqual(hashes);
    const largest = Buffer.alloc(MAX_ENTRY_BYTES, 7);
    expect(decodeBundle(encodeBundle([largest, Buffer.alloc(0)]), 2)).toEqual([largest, Buffer.alloc(0)]);
  });

  it('of another number or length are refused', () => {
    const bundle = encodeBundle([Buffer.from('one'), Buffer.from('two')]);
    for (let length = 0; length < bundle.length; length++)
      expect(() => decodeBundle(bundle.subarray(0, length), 2)).toThrow(code('tlog_malformed'));
    expect(() => decodeBundle(bundle, 1)).toThrow(code('tlog_malformed'));
    expect(() => decodeBundle(bundle, 3)).toThrow(code('tlog_malformed'));
    for (const bytes of [0, 31, 33, 63, 96])
      expect(() => decodeTile(Buffer.alloc(bytes), 2)).toThrow(code('tlog_malformed'));
    expect(() => encodeBundle([])).toThrow(code('tlog_argument'));
    expect(() => encodeBundle(Array<Uint8Array>(257).fill(Buffer.alloc(1)))).toThrow(code('tlog_argument'));
    expect(() => encodeBundle([Buffer.alloc(MAX_ENTRY_BYTES + 1)])).toThrow(code('tlog_argument'));
    expect(() => encodeTile([])).toThrow(code('tlog_argument'));
    expect(() => encodeTile([Buffer.alloc(31)])).toThrow(code('tlog_argument'));
  });
});
