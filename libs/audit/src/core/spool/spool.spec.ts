import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { drain, numbered, SpoolHarness, store } from '../../../test/support/spool-harness.js';
import { crc32c, viewOf } from './crc32c.js';
import { type Position } from './cursor.js';
import { SegmentVersionError } from './segment-format.js';
import { type Spool } from './spool.js';

const KIB = 1024;
/** The segments of a spool of this size are 256 KiB. */
const SMALL = 16 * KIB * KIB;
const SEGMENT_BYTES = 256 * KIB;

describe('Spool', () => {
  let harness: SpoolHarness;
  beforeEach(async () => (harness = await SpoolHarness.create()));
  afterEach(() => harness.dispose());

  /** Stores more records than one segment takes. @returns the place behind each */
  const storeSegments = (spool: Spool, segments: number): Position[] => {
    const ends: Position[] = [];
    for (let i = 0; i < segments * 8; i++) {
      store(spool, numbered(i, 1, SEGMENT_BYTES / 8));
      ends.push(spool.end);
    }
    return ends;
  };

  it('gives back what was stored, in order, once it is written', async () => {
    const spool = await harness.open();
    spool.append('a');
    spool.append('é漢𝕏');
    expect(await drain(spool)).toMatchObject({ payloads: [], lost: 0 });
    spool.write();
    const { payloads, end } = await drain(spool);
    expect(payloads).toEqual(['a', 'é漢𝕏']);
    expect(end).toEqual(spool.end);
    store(spool, ['b']);
    expect((await drain(spool, end)).payloads).toEqual(['b']);
  });

  it('tells behind each record where to read on', async () => {
    const spool = await harness.open();
    store(spool, numbered(0, 5));
    const { records } = await spool.read(spool.left.from);
    for (const [i, { next }] of records.entries())
      expect((await drain(spool, next)).payloads).toEqual(numbered(i + 1, 4 - i));
  });

  it('has the name of a new directory on the disk, and of each parent that was missing', async () => {
    const directory = join(harness.directory, 'new', 'spool');
    await (await harness.open({ directory })).close();
    expect(harness.files.calls.syncDirectory).toBe(2);
    await harness.open({ directory });
    expect(harness.files.calls.syncDirectory).toBe(2);
  });

  it('is kept for its owner', async () => {
    await rm(harness.directory, { recursive: true });
    store(await harness.open(), ['a']);
    expect((await stat(harness.directory)).mode & 0o777).toBe(0o700);
    for (const file of [...(await harness.segments()), join(harness.directory, 'cursor')])
      expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  describe('the next run', () => {
    it('finds what was not acknowledged, and only that', async () => {
      const spool = await harness.open();
      store(spool, numbered(0, 3));
      const { end } = spool;
      store(spool, numbered(3, 4));
      spool.acknowledge(end);
      const next = await harness.open();
      expect(next.left).toEqual({ records: 4, from: end });
      expect((await drain(next)).payloads).toEqual(numbered(3, 4));
    });

    it('writes behind what it found, and reads both in order', async () => {
      store(await harness.open(), numbered(0, 3));
      const second = await harness.open();
      store(second, numbered(3, 3));
      expect((await drain(second)).payloads).toEqual(numbered(0, 6));
      const third = await harness.open();
      expect(third.left.records).toBe(6);
      expect((await drain(third)).payloads).toEqual(numbered(0, 6));
    });

    it('does not find what was appended and never written', async () => {
      const spool = await harness.open();
      store(spool, ['written']);
      spool.append('not written');
      expect((await drain(await harness.open())).payloads).toEqual(['written']);
    });

    it('leaves nothing of what was acknowledged to its end', async () => {
      const spool = await harness.open();
      store(spool, numbered(0, 3));
      spool.acknowledge(spool.end);
      expect((await harness.open()).left.records).toBe(0);
      expect(await harness.segments()).toEqual([]);
    });

    it.each(['is lost', 'is damaged'])('replays everything that is there when the cursor %s', async (what) => {
      const spool = await harness.open();
      store(spool, numbered(0, 3));
      spool.acknowledge(spool.end);
      store(spool, numbered(3, 3));
      await spool.close();
      const cursor = join(harness.directory, 'cursor');
      if (what === 'is lost') await rm(cursor);
      else await writeFile(cursor, Buffer.alloc(64, 'x'));
      const next = await harness.open();
      expect(next.left.records).toBe(6);
      expect((await drain(next)).payloads).toEqual(numbered(0, 6));
    });

    it('begins no segment anew, whatever became of the earlier ones', async () => {
      const spool = await harness.open({ maxBytes: SMALL });
      const ends = storeSegments(spool, 3);
      spool.acknowledge(ends.at(-1)!);
      await spool.close();
      for (const file of await harness.segments()) await rm(file);
      const next = await harness.open();
      expect(next.end.segment).toBeGreaterThan(ends.at(-1)!.segment);
    });

    it('does not start on what a newer release wrote, and says so', async () => {
      store(await harness.open(), ['a']);
      await (await harness.open()).close();
      const [file] = await harness.segments();
      const bytes = await readFile(file!);
      bytes.writeUInt32LE(2, 8);
      bytes.writeUInt32LE(crc32c(viewOf(bytes), 0, 60), 60);
      await writeFile(file!, bytes);
      await expect(harness.open()).rejects.toThrow(SegmentVersionError);
      await expect(harness.open()).rejects.toThrow('start the newer release');
      expect(await readFile(file!)).toEqual(bytes);
    });

    it('does not mind a segment that was begun and never written', async () => {
      store(await harness.open(), ['a']);
      await (await harness.open()).close();
      await writeFile(join(harness.directory, '0000000000000002.segment'), '');
      expect((await drain(await harness.open())).payloads).toEqual(['a']);
      expect(await harness.segments()).toHaveLength(1);
    });

    it('reads on behind a segment that somebody has cut while it ran', async () => {
      const spool = await harness.open({ maxBytes: SMALL });
      storeSegments(spool, 2);
      const [file] = await harness.segments();
      await truncate(file!, (await stat(file!)).size - 10);
      const { payloads, lost } = await drain(spool);
      expect(lost).toBe(1);
      expect(payloads).toHaveLength(15);
    });
  });

  describe('segments', () => {
    it('are begun anew when one is large enough, without a record in two of them', async () => {
      const spool = await harness.open({ maxBytes: SMALL });
      storeSegments(spool, 4);
      expect((await harness.segments()).length).toBeGreaterThanOrEqual(4);
      for (const file of await harness.segments())
        expect((await stat(file)).size).toBeLessThanOrEqual(SEGMENT_BYTES * 1.2);
      expect((await drain(spool)).payloads.map((payload) => parseInt(payload))).toEqual(
        Array.from({ length: 32 }, (_, i) => i),
      );
    });

    it('go when everything in them is acknowledged, and no sooner', async () => {
      const spool = await harness.open({ maxBytes: SMALL });
      const ends = storeSegments(spool, 3);
      const files = await harness.segments();
      const lastOfFirst = ends.findLastIndex(({ segment }) => segment === ends[0]!.segment);
      spool.acknowledge(ends[lastOfFirst - 1]!);
      expect(await harness.segments()).toEqual(files);
      spool.acknowledge(ends[lastOfFirst]!);
      await waitFor('the first segment to go', async () => (await harness.segments()).length === files.length - 1);
      expect((await drain(spool, ends[lastOfFirst])).payloads).toHaveLength(ends.length - lastOfFirst - 1);
    });

    it('that cannot be removed go with a later acknowledgement, and are warned of once', async () => {
      const spool = await harness.open({ maxBytes: SMALL });
      const ends = storeSegments(spool, 4);
      const { length } = await harness.segments();
      const unlink = harness.files.unlink;
      let tries = 0;
      harness.files.unlink = () => Promise.reject(new Error(`no, ${++tries}`));
      for (const end of ends.slice(0, -1)) spool.acknowledge(end);
      await waitFor('the attempts', () => tries > 3);
      harness.files.unlink = unlink;
      spool.acknowledge(ends.at(-1)!);
      await waitFor('all but the newest to go', async () => (await harness.segments()).length <= 1);
      expect(length).toBeGreaterThan(3);
      expect(harness.warnings).toEqual(['audit: a delivered segment cannot be removed']);
    });
  });

  it.each([true, false])('keeps few files open, however many segments wait (synced: %p)', async (synced) => {
    let open = 0;
    const { openSync, close } = harness.files;
    harness.files.openSync = (path, create) => {
      open++;
      return openSync(path, create);
    };
    harness.files.close = async (fd) => {
      open--;
      await close(fd);
    };
    const spool = await harness.open({ maxBytes: SMALL, synced });
    storeSegments(spool, 12);
    if (synced) await spool.sync();
    expect((await harness.segments()).length).toBeGreaterThanOrEqual(12);
    // The cursor, and the segment that is written to.
    expect(open).toBeLessThanOrEqual(3);
    const next = await harness.open({ maxBytes: SMALL });
    expect(open).toBeLessThanOrEqual(2);
    expect((await drain(next)).payloads).toHaveLength(12 * 8);
    expect(open).toBeLessThanOrEqual(3);
    await next.close();
    expect(open).toBe(0);
  });

  describe('a bound', () => {
    it.each([64 * KIB, 256 * KIB, 1024 * KIB])(
      'of %d bytes is kept, and has room again each time everything is acknowledged',
      async (maxBytes) => {
        const spool = await harness.open({ maxBytes });
        for (let round = 0; round < 10; round++) {
          let stored = 0;
          while (spool.hasRoom(KIB)) {
            store(spool, numbered(stored, 1, KIB - 100));
            stored++;
          }
          expect(spool.bytes).toBeLessThanOrEqual(maxBytes);
          expect(stored * KIB).toBeGreaterThan(maxBytes / 3);
          spool.acknowledge(spool.end);
          await waitFor('room', () => spool.hasRoom(maxBytes / 2));
        }
      },
    );

    it('counts what an earlier run left', async () => {
      store(await harness.open({ maxBytes: SMALL }), numbered(0, 10, 10 * KIB));
      const spool = await harness.open({ maxBytes: 150 * KIB });
      expect(spool.hasRoom(40 * KIB)).toBe(true);
      expect(spool.hasRoom(60 * KIB)).toBe(false);
    });

    it('also holds for what waits for the disk, which is in memory as well', async () => {
      let release: () => void = () => undefined;
      const disk = new Promise<void>((resolve) => (release = resolve));
      harness.files.datasync = () => disk;
      const spool = await harness.open({ synced: true });
      const chunk = numbered(0, 100, 100 * KIB);
      const synced = spool.sync();
      for (let mib = 0; mib < 80 && spool.hasRoom(0); mib += 10) store(spool, chunk);
      expect(spool.bytes).toBeLessThan(80 * KIB * KIB);
      const syncedToo = spool.sync();
      release();
      await Promise.all([synced, syncedToo]);
      expect(spool.hasRoom(0)).toBe(true);
    });
  });

  it('warns once when the cursor cannot be noted, and goes on', async () => {
    const spool = await harness.open();
    store(spool, numbered(0, 2));
    harness.files.refusal = 'EIO';
    spool.acknowledge({ ...spool.end, index: 1 });
    spool.acknowledge(spool.end);
    harness.files.refusal = undefined;
    expect(harness.warnings).toHaveLength(1);
    expect(harness.warnings[0]).toContain('cannot note what is delivered');
    spool.acknowledge(spool.end);
    expect((await harness.open()).left.records).toBe(0);
  });

  it('does nothing any more once it is closed', async () => {
    const spool = await harness.open();
    store(spool, numbered(0, 2));
    await spool.close();
    const writes = harness.files.calls.writeSync;
    spool.acknowledge(spool.end);
    expect(harness.files.calls.writeSync).toBe(writes);
    expect((await harness.open()).left.records).toBe(2);
  });

  it('leaves no file open, also where it could not open', async () => {
    const open = new Set<number>();
    const { openSync, close } = harness.files;
    harness.files.openSync = (path, create) => {
      const fd = openSync(path, create);
      open.add(fd);
      return fd;
    };
    harness.files.close = async (fd) => {
      open.delete(fd);
      await close(fd);
    };
    const spool = await harness.open({ maxBytes: SMALL });
    storeSegments(spool, 3);
    await spool.close();
    expect(open.size).toBe(0);
    for (const call of ['read', 'size', 'openSync'] as const) {
      for (let at = 1; at <= 3; at++) {
        harness.files.failAt(call, at, 'EIO');
        await expect(harness.open({ maxBytes: SMALL })).rejects.toThrow('EIO');
        expect(open.size).toBe(0);
      }
    }
    const next = await harness.open({ maxBytes: SMALL });
    expect(next.left.records).toBe(24);
  });
});
