import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { drain, numbered, SpoolHarness, store } from '../../../test/support/spool-harness.js';

const KIB = 1024;

/** Through the spool, which tells it how far the sink is. */
describe('SpoolWriter', () => {
  let harness: SpoolHarness;
  beforeEach(async () => (harness = await SpoolHarness.create()));
  afterEach(() => harness.dispose());

  describe('a write that fails', () => {
    it.each(['writeSync', 'openSync'] as const)('is made good by the next one, in the same place: %s', async (call) => {
      const spool = await harness.open();
      if (call === 'writeSync') store(spool, ['a']);
      harness.files.failAt(call, 1, 'ENOSPC');
      expect(() => store(spool, ['b'])).toThrow('ENOSPC');
      expect(spool.bufferedRecords).toBe(1);
      spool.append('c');
      spool.write();
      expect(spool.bufferedRecords).toBe(0);
      expect((await drain(spool)).payloads).toEqual(call === 'writeSync' ? ['a', 'b', 'c'] : ['b', 'c']);
    });

    it('after a part was written is made good as well', async () => {
      const spool = await harness.open();
      const { writeSync } = harness.files;
      let refuse = true;
      harness.files.writeSync = (fd, buffer, offset, length, position) => {
        if (refuse && offset > 0) throw new Error('ENOSPC');
        return writeSync(fd, buffer, offset, refuse ? length >> 1 : length, position);
      };
      expect(() => store(spool, numbered(0, 10))).toThrow('ENOSPC');
      expect((await drain(spool)).payloads).toEqual([]);
      refuse = false;
      spool.write();
      expect((await drain(spool)).payloads).toEqual(numbered(0, 10));
      expect((await harness.open()).left.records).toBe(10);
    });

    it('gives the room of what the sink has back to the disk, and the next run knows what is gone', async () => {
      const spool = await harness.open();
      store(spool, numbered(0, 100, KIB));
      const settled = spool.end;
      harness.files.refusal = 'ENOSPC';
      expect(() => store(spool, numbered(100, 3))).toThrow('ENOSPC');
      harness.files.refusal = undefined;
      spool.acknowledge({ ...settled, offset: settled.offset - 1 });
      harness.files.failAt('writeSync', 1, 'ENOSPC');
      expect(() => spool.write()).toThrow('ENOSPC');
      const [file] = await harness.segments();
      const before = await stat(file!);
      // Not all of it is settled: nothing is given back.
      expect(before.size).toBeGreaterThan(100 * KIB);
      spool.acknowledge(settled);
      harness.files.failAt('writeSync', 1, 'ENOSPC');
      expect(() => spool.write()).toThrow('ENOSPC');
      spool.write();
      expect((await stat(file!)).blocks * 512).toBeLessThan(20 * KIB);
      expect(spool.bytes).toBeLessThan(KIB);
      expect((await drain(spool, settled)).payloads).toEqual(numbered(100, 3));

      await spool.close();
      // Even without a cursor: what was given back was delivered, and is no damage.
      await rm(join(harness.directory, 'cursor'));
      const next = await harness.open();
      expect(next.left.records).toBe(3);
      expect(await drain(next)).toMatchObject({ payloads: numbered(100, 3), lost: 0 });
      expect(harness.warnings).toEqual([]);
    });
  });

  describe('giving room back', () => {
    it.each(['truncateSync', 'writeSync', 'shortWrite'] as const)(
      'is repeated when %s fails in the middle of it',
      async (call) => {
        for (let at = 1, happened = true; happened; at++) {
          const other = await SpoolHarness.create();
          const { files } = other;
          const spool = await other.open();
          store(spool, numbered(0, 50, KIB));
          spool.acknowledge(spool.end);
          files.refusal = 'ENOSPC';
          expect(() => store(spool, numbered(50, 3))).toThrow('ENOSPC');
          files.refusal = undefined;
          files.failAt(call, at, 'ENOSPC');
          const writes = (): boolean => {
            try {
              spool.write();
              return true;
            } catch {
              return false;
            }
          };
          expect(writes() || writes()).toBe(true);
          ({ happened } = files);
          files.failAt(call, 0, 'ENOSPC');
          await spool.close();
          await rm(join(other.directory, 'cursor'));
          expect(await drain(await other.open())).toMatchObject({ payloads: numbered(50, 3), lost: 0 });
          expect(other.warnings).toEqual([]);
          await other.dispose();
        }
      },
    );
  });

  describe('a sync that fails', () => {
    /** What a disk does that forgets, after a failed fdatasync, what was not on it: all writes since the last good one. */
    const forgetful = (): { onDisk: () => number[]; failNext: () => void } => {
      const { writeSync, datasync } = harness.files;
      let cached = new Set<number>();
      const disk = new Set<number>();
      let fails = false;
      harness.files.writeSync = (fd, buffer, offset, length, position) => {
        // The segments' writes begin with a frame or the header; the cursor's are shorter than any of these.
        if (length > 32) cached.add(position);
        return writeSync(fd, buffer, offset, length, position);
      };
      harness.files.datasync = async (fd) => {
        const writes = cached;
        cached = new Set();
        await datasync(fd);
        if (fails) {
          fails = false;
          throw new Error('EIO');
        }
        for (const position of writes) disk.add(position);
      };
      return { onDisk: () => [...disk].sort((a, b) => a - b), failNext: () => (fails = true) };
    };

    it('has everything since the last good one written again before the next is believed', async () => {
      const disk = forgetful();
      const spool = await harness.open({ synced: true });
      const starts: number[] = [];
      const storeOne = (): void => {
        starts.push(spool.end.offset);
        store(spool, ['x'.repeat(100)]);
      };
      storeOne();
      await spool.sync();
      expect(disk.onDisk()).toEqual(starts);
      storeOne();
      disk.failNext();
      const failing = spool.sync();
      // Written while the sync that fails is under way, and waiting for the next.
      storeOne();
      const following = spool.sync();
      await expect(failing).rejects.toThrow('EIO');
      await following;
      expect(disk.onDisk()).toEqual(starts);
    });

    it('never runs beside another one', async () => {
      let running = 0;
      let most = 0;
      const { datasync } = harness.files;
      harness.files.datasync = async (fd) => {
        most = Math.max(most, ++running);
        await datasync(fd);
        running--;
      };
      const spool = await harness.open({ synced: true });
      await Promise.all(
        numbered(0, 10).map((payload) => {
          store(spool, [payload]);
          return spool.sync();
        }),
      );
      expect(most).toBe(1);
    });

    it('of the directory is repeated: a file without a name is lost with the power', async () => {
      const spool = await harness.open({ synced: true });
      store(spool, ['a']);
      harness.files.failAt('syncDirectory', 1, 'EIO');
      await expect(spool.sync()).rejects.toThrow('EIO');
      await spool.sync();
      expect(harness.files.calls.syncDirectory).toBe(2);
      await spool.sync();
      expect(harness.files.calls.syncDirectory).toBe(2);
    });
  });
});
