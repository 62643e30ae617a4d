import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FaultyFiles } from '../../../test/support/faulty-files.js';
import { Cursor, type Position } from './cursor.js';

const NOTHING: Position = { segment: 0, offset: 0, index: 0 };
const place = (n: number): Position => ({ segment: n, offset: n * 1000, index: n * 10 });

describe('Cursor', () => {
  let directory: string;
  let path: string;
  let files: FaultyFiles;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-cursor-'));
    path = join(directory, 'cursor');
    files = new FaultyFiles();
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** What the next run finds. */
  const reopened = async (): Promise<Position> => {
    const cursor = await Cursor.open(files, path);
    await cursor.close();
    return cursor.position;
  };
  const moved = async (...positions: Position[]): Promise<void> => {
    const cursor = await Cursor.open(files, path);
    for (const position of positions) cursor.moveTo(position);
    await cursor.close();
  };

  it('begins before everything, in a file for its owner that never grows', async () => {
    expect(await reopened()).toEqual(NOTHING);
    const { size, mode } = await stat(path);
    expect(mode & 0o777).toBe(0o600);
    await moved(place(1), place(2), place(3));
    expect((await stat(path)).size).toBe(size);
  });

  it('is found where it was', async () => {
    await moved(place(1));
    expect(await reopened()).toEqual(place(1));
    await moved(place(2), place(3));
    expect(await reopened()).toEqual(place(3));
    const far = { segment: 2 ** 40, offset: 2 ** 32 - 1, index: 2 ** 32 - 1 };
    await moved(far);
    expect(await reopened()).toEqual(far);
  });

  it('falls back by one step when what was written last is torn or flipped anywhere', async () => {
    await moved(place(1), place(2));
    const whole = await readFile(path);
    const [older, newer] = whole.readBigUInt64LE(4) < whole.readBigUInt64LE(36) ? [0, 32] : [32, 0];
    for (let byte = 0; byte < 32; byte++) {
      const flipped = Buffer.from(whole);
      flipped[newer + byte]! ^= 1 << (byte & 7);
      await writeFile(path, flipped);
      expect(await reopened()).toEqual(place(1));
      const torn = Buffer.from(whole);
      whole.copy(torn, newer + byte, older + byte, older + 32);
      await writeFile(path, torn);
      expect(await reopened()).toEqual(place(1));
    }
  });

  it('begins before everything again when nothing of it can be read, and works from there', async () => {
    await moved(place(1), place(2));
    for (const content of ['', 'short', 'x'.repeat(500)]) {
      await writeFile(path, content);
      expect(await reopened()).toEqual(NOTHING);
    }
    await moved(place(7));
    expect(await reopened()).toEqual(place(7));
  });

  it('goes on in memory when the disk refuses, and is written with the next move', async () => {
    const cursor = await Cursor.open(files, path);
    cursor.moveTo(place(1));
    files.failAt('writeSync', 1, 'EIO');
    expect(() => cursor.moveTo(place(2))).toThrow('EIO');
    expect(cursor.position).toEqual(place(2));
    expect(await reopened()).toEqual(place(1));
    files.failAt('shortWrite', 1, 'EIO');
    cursor.moveTo(place(3));
    await cursor.close();
    expect(await reopened()).toEqual(place(3));
  });

  it('takes its room at once, so that a full disk cannot stop it', async () => {
    const cursor = await Cursor.open(files, path);
    const { size } = await stat(path);
    expect(size).toBe(64);
    await cursor.close();
    files.failAt('writeSync', 1, 'ENOSPC');
    await rm(path);
    await expect(Cursor.open(files, path)).rejects.toThrow('ENOSPC');
    expect(await reopened()).toEqual(NOTHING);
  });
});
