import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { leaves, naiveRoot, readerOf, uniformReader } from '../../test/support/trees.js';
import { Frontier } from './frontier.js';
import { EMPTY_ROOT, leafHash, nodeHash, sameHash, type Hash } from './hashing.js';
import { consistencyProof, inclusionProof, treeRoot } from './proofs.js';
import { bitLength, MAX_LEVEL, MAX_SIZE, splitPoint, subtreeNodes } from './tree.js';
import { verifyConsistency, verifyInclusion } from './verify.js';

const hex = (hash: Hash): string => Buffer.from(hash).toString('hex');
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

/** The log that Certificate Transparency's implementations have been tested with since RFC 6962. */
const CT_LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const CT_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const CT_INCLUSION = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
] as const;
const CT_CONSISTENCY = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
] as const;

describe('the tree of Certificate Transparency', () => {
  const hashes = CT_LEAVES.map((leaf) => leafHash(Buffer.from(leaf, 'hex')));
  const reader = readerOf(hashes);

  it('has the known roots', async () => {
    const frontier = new Frontier();
    for (const [size, root] of CT_ROOTS.entries()) {
      expect(hex(await treeRoot(reader, size))).toBe(root);
      expect(hex(frontier.root())).toBe(root);
      if (size < 8) frontier.append(hashes[size]!);
    }
  });

  it('has the known proofs', async () => {
    for (const [index, size, proof] of CT_INCLUSION)
      expect((await inclusionProof(reader, index, size)).map(hex)).toEqual(proof);
    for (const [old, size, proof] of CT_CONSISTENCY)
      expect((await consistencyProof(reader, old, size)).map(hex)).toEqual(proof);
  });
});

const MAX = 300;
const all = leaves(MAX);
const roots = Array.from({ length: MAX + 1 }, (_, size) => naiveRoot(all.slice(0, size)));
const reader = readerOf(all);
const size = fc.integer({ min: 1, max: MAX });
const flip = (hash: Hash, bit: number): Hash => {
  const other = Buffer.from(hash);
  other[(bit >> 3) % other.length]! ^= 1 << (bit & 7);
  return other;
};
const bit = fc.nat(255);
const indexed = size.chain((size) => fc.record({ size: fc.constant(size), index: fc.nat(size - 1), bit }));
const paired = size.chain((size) =>
  fc.record({ size: fc.constant(size), oldSize: fc.integer({ min: 1, max: size }), bit }),
);
/** Each proof with one change: a bit of a hash, one hash more, one less, two swapped. */
function* mutations(proof: readonly Hash[], bit: number): Generator<Hash[]> {
  for (const at of proof.keys()) {
    yield proof.with(at, flip(proof[at]!, bit));
    yield proof.toSpliced(at, 1);
    yield proof.toSpliced(at, 0, proof[at]!);
    if (at > 0) yield proof.with(at, proof[at - 1]!).with(at - 1, proof[at]!);
  }
  yield [...proof, EMPTY_ROOT];
}

describe('inclusion', () => {
  it('is proved for any leaf of any tree', async () => {
    await fc.assert(
      fc.asyncProperty(indexed, async ({ size, index }) => {
        const proof = await inclusionProof(reader, index, size);
        verifyInclusion({ index, size, leafHash: all[index]!, root: roots[size]! }, proof);
      }),
    );
  });

  it('is not proved when one thing is another', async () => {
    await fc.assert(
      fc.asyncProperty(indexed, async ({ size, index, bit }) => {
        const proof = await inclusionProof(reader, index, size);
        const claim = { index, size, leafHash: all[index]!, root: roots[size]! };
        const refused = (change: Partial<typeof claim>, other: readonly Hash[] = proof) =>
          expect(() => verifyInclusion({ ...claim, ...change }, other)).toThrow(code('tlog_proof'));
        refused({ leafHash: flip(claim.leafHash, bit) });
        refused({ root: flip(claim.root, bit) });
        for (let other = 0; other < size; other++) if (other !== index) refused({ index: other });
        for (const other of mutations(proof, bit)) refused({}, other);
      }),
      { numRuns: 30 },
    );
  });

  it('in a tree of another size leads to another root', async () => {
    // Not by its shape alone: the same hashes can be the proof in trees of several sizes, which have different roots.
    for (let size = 1; size <= 40; size++)
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(reader, index, size);
        for (let other = index + 1; other <= 41; other++)
          if (other !== size)
            expect(() =>
              verifyInclusion({ index, size: other, leafHash: all[index]!, root: roots[other]! }, proof),
            ).toThrow(code('tlog_proof'));
      }
  });

  it('of what makes no sense is not even looked at', async () => {
    const claim = { index: 0, size: 1, leafHash: all[0]!, root: roots[1]! };
    for (const change of [
      { index: 1 },
      { index: -1 },
      { index: 0.5 },
      { index: NaN },
      { size: 0 },
      { size: MAX_SIZE + 1 },
      { size: Infinity },
      { leafHash: Buffer.alloc(31) },
      { root: Buffer.alloc(33) },
    ])
      expect(() => verifyInclusion({ ...claim, ...change }, [])).toThrow(code('tlog_argument'));
    expect(() => verifyInclusion(claim, [Buffer.alloc(0)])).toThrow(code('tlog_argument'));
    await expect(inclusionProof(reader, 3, 3)).rejects.toThrow(code('tlog_argument'));
  });
});

describe('consistency', () => {
  it('is proved for any two sizes of a tree', async () => {
    await fc.assert(
      fc.asyncProperty(paired, async ({ size, oldSize }) => {
        const proof = await consistencyProof(reader, oldSize, size);
        verifyConsistency({ oldSize, oldRoot: roots[oldSize]!, size, root: roots[size]! }, proof);
      }),
    );
  });

  it('is not proved when one thing is another', async () => {
    await fc.assert(
      fc.asyncProperty(paired, async ({ size, oldSize, bit }) => {
        const proof = await consistencyProof(reader, oldSize, size);
        const claim = { oldSize, oldRoot: roots[oldSize]!, size, root: roots[size]! };
        const refused = (change: Partial<typeof claim>, other: readonly Hash[] = proof) =>
          expect(() => verifyConsistency({ ...claim, ...change }, other)).toThrow(code('tlog_proof'));
        refused({ oldRoot: flip(claim.oldRoot, bit) });
        refused({ root: flip(claim.root, bit) });
        for (let other = 0; other <= size; other++) if (other !== oldSize) refused({ oldSize: other });
        for (const other of mutations(proof, bit)) refused({}, other);
      }),
      { numRuns: 30 },
    );
  });

  it('of nothing with anything needs no proof, and takes none', () => {
    const claim = { oldSize: 0, oldRoot: EMPTY_ROOT, size: 5, root: roots[5]! };
    verifyConsistency(claim, []);
    verifyConsistency({ ...claim, size: 0, root: EMPTY_ROOT }, []);
    expect(() => verifyConsistency({ ...claim, oldRoot: roots[1]! }, [])).toThrow(code('tlog_proof'));
    expect(() => verifyConsistency({ ...claim, size: 0 }, [])).toThrow(code('tlog_proof'));
    expect(() => verifyConsistency(claim, [roots[1]!])).toThrow(code('tlog_proof'));
  });

  it('of what makes no sense is not even looked at', async () => {
    const claim = { oldSize: 2, oldRoot: roots[2]!, size: 3, root: roots[3]! };
    for (const change of [{ oldSize: 4 }, { oldSize: -1 }, { size: 2 ** 53 }, { root: Buffer.alloc(1) }])
      expect(() => verifyConsistency({ ...claim, ...change }, [])).toThrow(code('tlog_argument'));
    await expect(consistencyProof(reader, 4, 3)).rejects.toThrow(code('tlog_argument'));
  });
});

describe('the frontier', () => {
  it('has the root that the recursion of RFC 6962 has, and survives being written down anywhere', () => {
    let frontier = new Frontier();
    for (let size = 0; size <= MAX; size++) {
      expect(frontier.size).toBe(size);
      expect(sameHash(frontier.root(), roots[size]!)).toBe(true);
      frontier = size % 3 === 0 ? Frontier.decode(frontier.encode()) : frontier.copy();
      if (size < MAX) frontier.append(all[size]!);
    }
  });

  it('tells each perfect subtree once, when its last leaf comes', () => {
    const frontier = new Frontier();
    const told: string[] = [];
    for (const [index, leaf] of all.entries())
      frontier.append(leaf, (level, hash) => {
        const last = (index + 1) / 2 ** level - 1;
        expect(sameHash(hash, naiveRoot(all.slice(last * 2 ** level, (last + 1) * 2 ** level)))).toBe(true);
        told.push(`${level}/${last}`);
      });
    expect(new Set(told).size).toBe(told.length);
    expect(told).toHaveLength([...Array(9).keys()].reduce((sum, level) => sum + Math.floor(MAX / 2 ** level), 0));
  });

  it('does not depend on what happens to a hash that it was given', () => {
    const frontier = new Frontier();
    const leaf = Buffer.from(all[0]!);
    frontier.append(leaf);
    leaf.fill(0);
    expect(sameHash(frontier.root(), all[0]!)).toBe(true);
  });

  it('goes up to 2^53 - 1 leaves, and no further', async () => {
    const leaf = leafHash(Buffer.from('any'));
    const reader = uniformReader(leaf);
    const start = MAX_SIZE - 3;
    const frontier = Frontier.of(start, await reader.readHashes(Frontier.nodes(start)));
    for (let size = start; size < MAX_SIZE; size++) {
      expect(sameHash(frontier.root(), await treeRoot(reader, size))).toBe(true);
      frontier.append(leaf);
    }
    expect(sameHash(Frontier.decode(frontier.encode()).root(), await treeRoot(reader, MAX_SIZE))).toBe(true);
    expect(() => frontier.append(leaf)).toThrow(code('tlog_argument'));
  });

  it('refuses bytes that are none', () => {
    const bytes = Frontier.of(3, [roots[2]!, all[2]!]).encode();
    for (let length = 0; length < bytes.length; length++)
      expect(() => Frontier.decode(bytes.subarray(0, length))).toThrow(code('tlog_malformed'));
    expect(() => Frontier.decode(Buffer.concat([bytes, bytes]))).toThrow(code('tlog_malformed'));
    expect(() => Frontier.decode(Buffer.alloc(8, 255))).toThrow(code('tlog_malformed'));
    expect(() => Frontier.of(3, [roots[2]!])).toThrow(code('tlog_argument'));
    expect(() => new Frontier().append(Buffer.alloc(31))).toThrow(code('tlog_argument'));
  });
});

describe('arithmetic', () => {
  it('is exact up to 2^53 - 1', () => {
    for (let bits = 1; bits <= 53; bits++) {
      expect(bitLength(2 ** bits - 1)).toBe(bits);
      expect(bitLength(2 ** (bits - 1))).toBe(bits);
      if (bits > 1) expect(splitPoint(2 ** bits - 1)).toBe(2 ** (bits - 1));
      if (bits > 1) expect(splitPoint(2 ** (bits - 1))).toBe(2 ** (bits - 2));
      if (bits > 2) expect(splitPoint(2 ** (bits - 1) + 1)).toBe(2 ** (bits - 1));
    }
    expect(bitLength(0)).toBe(0);
    for (const wrong of [1, 0, -1, 2.5, NaN]) expect(() => splitPoint(wrong)).toThrow(code('tlog_argument'));
  });

  it('takes any size apart into perfect subtrees that follow each other', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (size) => {
        let at = 0;
        for (const { level, index } of subtreeNodes(0, size)) {
          expect(index * 2 ** level).toBe(at);
          expect(level).toBeLessThanOrEqual(MAX_LEVEL);
          at += 2 ** level;
        }
        expect(at).toBe(size);
      }),
    );
  });

  it('keeps leaves and nodes apart, and takes hashes only', () => {
    const [one, other] = all as [Hash, Hash];
    expect(hex(leafHash(Buffer.concat([one, other])))).not.toBe(hex(nodeHash(one, other)));
    expect(() => nodeHash(one, Buffer.alloc(31))).toThrow(code('tlog_argument'));
  });
});
