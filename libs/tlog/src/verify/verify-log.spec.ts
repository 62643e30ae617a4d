import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KeptLog, signerOf, TENANT } from '../../test/support/kept-log.js';
import { entry, leaves, naiveRoot } from '../../test/support/trees.js';
import { leafHash, type Hash } from '../merkle/hashing.js';
import { signSeal } from '../seal/seal.js';
import { SealDigest } from '../seal/seal-digest.js';
import { TreeEdge } from '../tiles/tree-edge.js';
import { type DifferenceKind } from './difference.js';
import { verifyLog, type LogVerdict } from './verify-log.js';

const { verifier } = signerOf(TENANT);
const STEPS = [3, 3, 256, 300, 700];
const SIZE = 700;
const rootOf = (size: number): Hash => naiveRoot(leaves(size));
const forged = Buffer.from('forged');

const verify = (log: KeptLog, saved: string[] = []): Promise<LogVerdict> =>
  verifyLog(log, { tenant: TENANT, log: verifier, saved });

/** A log whose tiles and checkpoints were all made anew after `change`, with the log's own key: nothing in it is wrong by itself. */
function rewritten(steps: readonly number[], change: (index: number) => Buffer): KeptLog {
  const log = new KeptLog(steps);
  const edge = new TreeEdge();
  log.notes = [];
  for (const size of steps) {
    while (edge.size < size) {
      const made = change(edge.size);
      log.leaf(edge.size, { entry: made, hash: leafHash(made) });
      edge.append(leafHash(made));
    }
    for (const { level, index, bytes } of edge.takeChanged()) {
      log.tiles.set(`tile/${level}/${String(index).padStart(3, '0')}`, Buffer.from(bytes));
    }
    log.notes.push(log.sign(size, edge.root()));
  }
  return log;
}

async function expectDifference(
  change: (log: KeptLog) => void,
  kind: DifferenceKind,
  index: number,
  saved: string[] = [],
  steps = STEPS,
): Promise<void> {
  const log = new KeptLog(steps);
  change(log);
  const verdict = await verify(log, saved);
  expect(verdict).toMatchObject({ intact: false, difference: { tenant: TENANT, kind, index } });
}

describe('a log that nobody has touched', () => {
  it('is intact, of any size and with any checkpoints', async () => {
    const sizes = fc.array(fc.nat(700), { minLength: 1, maxLength: 6 }).map((sizes) => sizes.sort((a, b) => a - b));
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 300 }), async (sizes, batch) => {
        const log = new KeptLog(sizes);
        log.batch = batch;
        const size = sizes.at(-1)!;
        const verdict = await verify(log, log.notes);
        expect(verdict).toMatchObject({ intact: true, tenant: TENANT, size, checkpoints: 2 * sizes.length, sealed: 0 });
      }),
      { numRuns: 200 },
    );
  });

  it('tells what it has looked at, and how far it has come', async () => {
    const log = new KeptLog(STEPS);
    const progress: [number, number][] = [];
    const verdict = await verifyLog(log, {
      tenant: TENANT,
      log: [verifier],
      onProgress: (leaves, size) => progress.push([leaves, size]),
    });
    expect(verdict).toEqual({
      intact: true,
      tenant: TENANT,
      size: SIZE,
      root: rootOf(SIZE),
      sealed: 0,
      checkpoints: 5,
      tiles: 4,
      latest: log.notes.at(-1),
    });
    expect(progress).toEqual([
      [256, SIZE],
      [512, SIZE],
      [SIZE, SIZE],
    ]);
  });

  it('may be empty, with or without a checkpoint that says so', async () => {
    expect(await verify(new KeptLog([]))).toMatchObject({ intact: true, size: 0, checkpoints: 0, latest: null });
    expect(await verify(new KeptLog([0]))).toMatchObject({ intact: true, size: 0, checkpoints: 1 });
  });

  it('may have changed its key', async () => {
    const log = new KeptLog(STEPS);
    const next = signerOf(TENANT, 'the key after that');
    log.notes[4] = log.sign(SIZE, rootOf(SIZE), next);
    const options = { tenant: TENANT, log: [verifier, next.verifier] };
    expect(await verifyLog(log, options)).toMatchObject({ intact: true });
    expect(await verify(log)).toMatchObject({ difference: { kind: 'checkpoint', index: SIZE } });
  });
});

describe('a log that somebody has touched', () => {
  const indices = [0, 1, 255, 256, 299, 511, 512, SIZE - 1];

  it.each(indices)('has another event at %d', (index) =>
    expectDifference((log) => log.leaf(index, { entry: forged }), 'event_changed', index),
  );
  it.each(indices)('has another event at %d, and no leaves apart from the tiles', (index) =>
    expectDifference(
      (log) => {
        log.leafList = log.leafList.map((leaf) => ({ ...leaf, hash: undefined }));
        log.leaf(index, { entry: forged });
      },
      'event_changed',
      index,
    ),
  );
  it.each(indices)('has no event at %d', (index) =>
    expectDifference((log) => log.leaf(index, { entry: 'missing' }), 'event_missing', index),
  );
  it.each(indices)('has what is no event at %d', (index) =>
    expectDifference((log) => log.leaf(index, { entry: 'unreadable' }), 'event_changed', index),
  );
  it.each(indices)('has another leaf at %d', (index) =>
    expectDifference((log) => log.leaf(index, { hash: leafHash(forged) }), 'leaf_changed', index),
  );
  it.each(indices)('has another event and its leaf at %d', (index) =>
    expectDifference((log) => log.leaf(index, { entry: forged, hash: leafHash(forged) }), 'tile_changed', index),
  );
  it.each(indices)('has another hash in a tile at %d', (index) =>
    expectDifference((log) => (log.tile(0, index >> 8)[(index % 256) * 32]! ^= 1), 'tile_changed', index),
  );
  it.each(indices)('has no leaf %d', (index) =>
    expectDifference((log) => log.leafList.splice(index, 1), 'leaf_missing', index),
  );
  it.each(indices.slice(0, -1))('has two events swapped at %d', (index) =>
    expectDifference(
      (log) => {
        const [one, two] = [log.leafList[index]!.entry, log.leafList[index + 1]!.entry];
        log.leaf(index, { entry: two });
        log.leaf(index + 1, { entry: one });
      },
      'event_changed',
      index,
    ),
  );

  it('has lost its tail of leaves', () => expectDifference((log) => (log.leafList.length = 650), 'leaf_missing', 650));
  it('has lost its tail of leaves and of checkpoints', async () => {
    const { notes } = new KeptLog(STEPS);
    const rollBack = (log: KeptLog) => {
      log.leafList.length = 300;
      log.notes.length = 4;
      for (const { level, index, bytes } of rebuilt(300)) log.tiles.set(`tile/${level}/00${index}`, bytes);
    };
    await expectDifference(rollBack, 'rolled_back', 300, notes);
    const log = new KeptLog(STEPS);
    rollBack(log);
    expect(await verify(log, notes.slice(0, 4))).toMatchObject({ intact: true, size: 300 });
  });
  it('has lost all, and a checkpoint was saved', async () => {
    const { notes } = new KeptLog(STEPS);
    expect(await verify(new KeptLog([]), [notes[0]!])).toMatchObject({ difference: { kind: 'rolled_back', index: 0 } });
  });
  it('has lost its newest checkpoints', () => expectDifference((log) => log.notes.pop(), 'leaf_extra', 300));
  it('has lost its newest checkpoints, and tiles to fit', () =>
    expectDifference(
      (log) => {
        log.notes.pop();
        for (const { level, index, bytes } of rebuilt(300)) log.tiles.set(`tile/${level}/00${index}`, bytes);
      },
      'leaf_extra',
      300,
    ));
  it('has lost its newest checkpoints, and the leaves to fit', () =>
    expectDifference(
      (log) => {
        log.notes.pop();
        log.leafList.length = 300;
      },
      'rolled_back',
      300,
    ));
  it('has lost all checkpoints', () => expectDifference((log) => (log.notes = []), 'leaf_extra', 0));
  it('has a leaf twice', () =>
    expectDifference((log) => log.leafList.splice(301, 0, log.leafList[300]!), 'leaf_extra', 300));
  it('has a leaf put in', () =>
    expectDifference(
      (log) => {
        log.leafList.splice(300, 0, { index: 300, entry: forged });
        log.leafList = log.leafList.map((leaf, index) => ({ ...leaf, index, hash: undefined }));
      },
      'event_changed',
      300,
    ));
  it('has an event that is in no leaf', () =>
    expectDifference((log) => log.strays.push('0190b7a8-1234-7abc-8def-0123456789ab'), 'event_unlogged', SIZE));

  it('has lost a tile', async () => {
    await expectDifference((log) => log.dropTile(0, 1), 'tile_missing', 256);
    await expectDifference((log) => log.dropTile(1, 0), 'tile_missing', 0);
  });
  it('has another tile', async () => {
    await expectDifference((log) => (log.tile(1, 0)[40]! ^= 1), 'tile_changed', 256);
    await expectDifference((log) => log.tiles.set('tile/0/001', Buffer.alloc(100)), 'tile_changed', 256 + 3);
    await expectDifference((log) => log.tiles.set('tile/0/002', Buffer.alloc(8193)), 'tile_changed', SIZE - 1);
    await expectDifference((log) => log.tiles.set('tile/0/002', Buffer.alloc(8192)), 'tile_changed', 512);
    await expectDifference(
      (log) => log.tiles.set('tile/0/002', Buffer.concat([log.tile(0, 2), Buffer.alloc(32)])),
      'rolled_back',
      SIZE,
    );
  });

  it('has a checkpoint of another key, another log or no form', async () => {
    const note = (log: KeptLog, at: number, text: string) => void (log.notes[at] = text);
    const stranger = signerOf(TENANT, 'another key');
    for (const at of [0, 2, 3, 4]) {
      const size = STEPS[at]!;
      await expectDifference((log) => note(log, at, log.sign(size, rootOf(size), stranger)), 'checkpoint', size);
      await expectDifference((log) => note(log, at, log.sign(size, rootOf(size), signerOf('x'))), 'checkpoint', size);
    }
    await expectDifference((log) => note(log, 3, 'hello'), 'checkpoint', 256);
    await expectDifference((log) => note(log, 4, 'hello'), 'checkpoint', 0);
    await expectDifference((log) => log.notes.splice(2, 0, log.notes[3]!), 'checkpoint', 256);
  });
  it('has a checkpoint of another root, signed with its key', async () => {
    for (const [at, size] of STEPS.entries())
      await expectDifference((log) => (log.notes[at] = log.sign(size, rootOf(5))), at < 2 ? 'fork' : 'root', size);
    const log = new KeptLog(STEPS);
    log.notes[3] = log.sign(300, rootOf(5));
    expect(await verify(log)).toMatchObject({ difference: { kind: 'root', index: 300, after: 256 } });
  });
  it('has forked: two checkpoints of one size', () =>
    expectDifference((log) => log.notes.splice(3, 0, log.sign(300, rootOf(5))), 'fork', 300));
  it('was rewritten from an event on with all that follows from it, and a checkpoint was saved', async () => {
    const { notes } = new KeptLog(STEPS);
    const log = rewritten(STEPS, (index) => (index === 280 ? forged : entry(index)));
    expect(await verify(log)).toMatchObject({ intact: true });
    const verdict = await verify(log, notes);
    expect(verdict).toMatchObject({ difference: { kind: 'fork', index: 300, after: 256 } });
  });
  it('has a checkpoint beyond its newest', () =>
    expectDifference(
      (log) => {
        const newest = log.notes.at(-1)!;
        log.latest = async () => newest;
        log.notes.push(log.sign(701, rootOf(5)));
      },
      'rolled_back',
      SIZE,
    ));

  it('is found out whatever is touched, and told the first place by index', async () => {
    const event = fc.record({ index: fc.nat(SIZE - 1), what: fc.constantFrom('entry', 'missing', 'hash', 'tile') });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 4 }), async (changes) => {
        const log = new KeptLog(STEPS);
        for (const { index, what } of changes) {
          if (what === 'entry') log.leaf(index, { entry: forged });
          if (what === 'missing') log.leaf(index, { entry: 'missing' });
          if (what === 'hash') log.leaf(index, { hash: leafHash(forged) });
          if (what === 'tile') log.tile(0, index >> 8).fill(7, (index % 256) * 32, (index % 256) * 32 + 32);
        }
        const first = Math.min(...changes.map(({ index }) => index));
        expect(await verify(log)).toMatchObject({ intact: false, difference: { index: first } });
      }),
      { numRuns: 60 },
    );
  });
});

describe('a log whose events were dropped after their month was sealed', () => {
  const OCTOBER = [0, 1, 2, 5, 255, 256, 290];
  const sealed = (indices: readonly number[], month = '2026-10', size = 300): string => {
    const digest = new SealDigest();
    const hashes = leaves(SIZE);
    for (const index of indices) digest.add(index, hashes[index]!);
    return signSeal(
      { month, leaves: digest.count, digest: digest.digest(), size, root: rootOf(size) },
      signerOf(TENANT),
    );
  };
  const dropped = (indices: readonly number[], seals: string[], month = '2026-10'): KeptLog => {
    const log = new KeptLog(STEPS);
    for (const index of indices) log.leaf(index, { entry: { sealed: month } });
    log.sealNotes = seals;
    return log;
  };

  it('is intact: its leaves and tiles go on', async () => {
    const log = dropped(OCTOBER, [sealed(OCTOBER), sealed([3], '2026-11')]);
    log.leaf(5, { hash: undefined });
    expect(await verify(log)).toMatchObject({ intact: true, size: SIZE, sealed: OCTOBER.length, checkpoints: 5 + 2 });
  });

  it('is intact before anything was dropped, and when a month was sealed again', async () => {
    expect(await verify(dropped([], [sealed(OCTOBER)]))).toMatchObject({ intact: true, sealed: 0 });
    const late = [...OCTOBER, 400];
    for (const seals of [
      [sealed(OCTOBER), sealed(late, '2026-10', 700)],
      [sealed(late, '2026-10', 700), sealed(OCTOBER)],
    ])
      expect(await verify(dropped(late, seals))).toMatchObject({ intact: true, sealed: late.length });
  });

  it('is not, when other events are gone than were sealed', async () => {
    const expectKind = async (log: KeptLog, kind: DifferenceKind, index: number) =>
      expect(await verify(log)).toMatchObject({ intact: false, difference: { kind, index } });
    await expectKind(dropped(OCTOBER, []), 'event_missing', 0);
    await expectKind(dropped([7], [sealed(OCTOBER)], '2026-11'), 'event_missing', 7);
    await expectKind(dropped([...OCTOBER, 400], [sealed(OCTOBER)]), 'event_missing', 400);
    await expectKind(dropped([...OCTOBER, 295], [sealed(OCTOBER)]), 'seal', 0);
    await expectKind(dropped(OCTOBER.slice(1), [sealed(OCTOBER)]), 'seal', 1);
    await expectKind(dropped(OCTOBER.with(6, 291), [sealed(OCTOBER)]), 'seal', 0);
  });

  it('is not, when a seal is of another key, another log or another history', async () => {
    const digest = new SealDigest().digest();
    const seal = { month: '2026-10', leaves: 0, digest, size: 300, root: rootOf(300) };
    for (const [note, kind, index] of [
      [signSeal(seal, signerOf(TENANT, 'another key')), 'seal', 0],
      [signSeal(seal, signerOf('another')), 'seal', 0],
      ['hello', 'seal', 0],
      [signSeal({ ...seal, root: rootOf(5) }, signerOf(TENANT)), 'fork', 300],
      [signSeal({ ...seal, size: 701 }, signerOf(TENANT)), 'rolled_back', SIZE],
    ] as const)
      expect(await verify(dropped([], [note]))).toMatchObject({ intact: false, difference: { kind, index } });
  });

  it('is held against the leaves as they are in the tiles', async () => {
    const log = dropped(OCTOBER, [sealed(OCTOBER)]);
    log.leaf(5, { hash: leafHash(forged) });
    expect(await verify(log)).toMatchObject({ difference: { kind: 'tile_changed', index: 5 } });
  });
});

describe('what cannot be told', () => {
  it('is thrown: a source that fails, wherever it does', async () => {
    const fault = new Error('the disk is away');
    const failing: ((log: KeptLog) => void)[] = [
      (log) => (log.latest = () => Promise.reject(fault)),
      (log) => (log.readTile = () => Promise.reject(fault)),
      (log) =>
        (log.leaves = async function* () {
          yield this.leafList.slice(0, 10);
          throw fault;
        }),
      (log) =>
        (log.checkpoints = async function* () {
          yield this.notes[0]!;
          throw fault;
        }),
    ];
    for (const fail of failing) {
      const log = new KeptLog(STEPS);
      fail(log);
      await expect(verify(log)).rejects.toBe(fault);
    }
  });

  it('is thrown: saved checkpoints of another log', async () => {
    const log = new KeptLog(STEPS);
    const saved = [log.sign(3, rootOf(3), signerOf('another'))];
    await expect(verify(log, saved)).rejects.toMatchObject({ code: 'tlog_origin' });
    const many = Array<string>(100_001).fill(log.notes[0]!);
    await expect(verify(log, many)).rejects.toMatchObject({ code: 'tlog_argument' });
  });

  it('ends the reading of leaves and checkpoints all the same', async () => {
    const log = new KeptLog(STEPS);
    log.leaf(5, { entry: forged });
    let closed = 0;
    const [leavesOf, checkpointsOf] = [log.leaves.bind(log), log.checkpoints.bind(log)];
    log.leaves = async function* () {
      try {
        yield* leavesOf();
      } finally {
        closed++;
      }
    };
    log.checkpoints = async function* () {
      try {
        yield* checkpointsOf();
      } finally {
        closed++;
      }
    };
    expect(await verify(log)).toMatchObject({ intact: false });
    expect(closed).toBe(2);
  });
});

/** The tiles of the first leaves. */
function rebuilt(size: number) {
  const edge = new TreeEdge();
  for (const leaf of leaves(size)) edge.append(leaf);
  return edge.takeChanged();
}
