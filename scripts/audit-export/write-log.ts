import { randomUUID } from 'node:crypto';
import { access, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  bundlePath,
  changedTiles,
  encodeBundle,
  partialTiles,
  readCheckpoint,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  type Tile,
} from '#tlog';
import { type DatabaseLog, type TrailLeaf } from '../../apps/gatekeeper/src/notary/core/index.js';
import { CHECKPOINTS } from '../audit-verify/export-folder.js';
import { readIfPresent } from '../stack/atomic-file.js';
import { sealedEntry } from '../audit-verify/sealed-entry.js';

export interface WrittenLog {
  size: number;
  /** Events written now; the others were there before. */
  events: number;
}

/**
 * Writes one tenant's log into a folder, as C2SP tlog-tiles has it. What is there in full is not written again, so that a run that was
 * cut off goes on where it was, and a later one adds what is new. Each file appears whole; the checkpoint comes after all that it covers, so
 * that the folder is a valid log at any time.
 *
 * @throws Error when the log cannot be written as it should be: verify it
 */
export async function writeLog(
  log: DatabaseLog,
  folder: string,
  onProgress: (leaves: number, size: number) => void,
): Promise<WrittenLog> {
  const note = await log.latest();
  if (note === null) return { size: 0, events: 0 };
  const { size } = readCheckpoint(note);
  const former = await readIfPresent(join(folder, 'checkpoint'));
  const before = former === undefined ? 0 : readCheckpoint(former).size;
  if (before > size)
    throw new Error(
      `the log of ${log.tenant} has ${size} leaves, and ${folder} was written when it had ${before}: it was cut back. Run npm run audit:verify`,
    );
  const events = await writeBundles(log, folder, { before, size }, onProgress);
  for (const tile of changedTiles(0, size)) await writeTile(log, folder, tile, before);
  await writeCheckpoints(log, folder);
  await place(join(folder, 'checkpoint'), note);
  await removeNarrower(folder, before, size);
  return { size, events };
}

async function writeBundles(
  log: DatabaseLog,
  folder: string,
  { before, size }: { before: number; size: number },
  onProgress: (leaves: number, size: number) => void,
): Promise<number> {
  let bundle = Math.floor(before / TILE_WIDTH);
  while (
    (bundle + 1) * TILE_WIDTH <= size &&
    (await isThere(join(folder, bundlePath({ index: bundle, width: TILE_WIDTH }))))
  )
    bundle++;
  const from = bundle * TILE_WIDTH;
  let entries: Uint8Array[] = [];
  const put = async (): Promise<void> => {
    if (entries.length === 0) return;
    await place(join(folder, bundlePath({ index: bundle, width: entries.length })), encodeBundle(entries));
    bundle++;
    entries = [];
  };
  if (from >= size) return 0;
  for await (const batch of log.leaves(from)) {
    for (const leaf of batch) {
      const due = bundle * TILE_WIDTH + entries.length;
      if (leaf.index < from || due >= size) continue;
      if (leaf.index !== due) throw broken(log.tenant, due);
      entries.push(entryOf(leaf, log.tenant));
      if (entries.length === TILE_WIDTH) await put();
    }
    onProgress(Math.min(size, bundle * TILE_WIDTH + entries.length), size);
  }
  await put();
  const last = Math.ceil(size / TILE_WIDTH);
  if (bundle !== last) throw broken(log.tenant, bundle * TILE_WIDTH);
  return size - Math.max(from, before);
}

function entryOf({ index, entry }: TrailLeaf, tenant: string): Uint8Array {
  if (entry instanceof Uint8Array) return entry;
  if (typeof entry === 'string') throw broken(tenant, index);
  return sealedEntry(entry.sealed);
}

function broken(tenant: string, index: number): Error {
  return new Error(`the event of leaf ${index} of the tenant ${tenant} is not there. Run npm run audit:verify`);
}

async function writeTile(log: DatabaseLog, folder: string, tile: Tile, before: number): Promise<void> {
  const path = join(folder, tilePath(tile));
  // A tile that was full when the folder was last complete was written then.
  const old = tile.width === TILE_WIDTH && (tile.index + 1) * TILE_WIDTH ** (tile.level + 1) <= before;
  if (old || (tile.width === TILE_WIDTH && (await isThere(path)))) return;
  const bytes = await log.readTile(tile);
  if (!bytes)
    throw new Error(`the tile ${tilePath(tile)} of the tenant ${log.tenant} is gone. Run npm run audit:verify`);
  await place(path, bytes);
}

async function writeCheckpoints(log: DatabaseLog, folder: string): Promise<void> {
  const path = join(folder, CHECKPOINTS);
  const temporary = `${path}.${randomUUID()}`;
  await mkdir(folder, { recursive: true });
  const file = await open(temporary, 'wx');
  try {
    for await (const note of log.checkpoints())
      await file.write(`${JSON.stringify({ size: readCheckpoint(note).size, note })}\n`);
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** The partial tiles of which there is the full one by now: a reader that comes for them takes that. */
async function removeNarrower(folder: string, before: number, size: number): Promise<void> {
  for (const { level, index } of partialTiles(before)) {
    const full = { level, index, width: TILE_WIDTH };
    if (tileWidth(level, index, size) < TILE_WIDTH) continue;
    const paths = level === 0 ? [tilePath(full), bundlePath(full)] : [tilePath(full)];
    for (const path of paths) await rm(join(folder, `${path}.p`), { recursive: true, force: true });
  }
}

/** Makes a file, or replaces it, as a whole; as it is where it is the same already. */
export async function place(path: string, content: string | Uint8Array): Promise<void> {
  const present = await readFile(path).catch(() => undefined);
  if (present && Buffer.compare(present, Buffer.from(content)) === 0) return;
  const temporary = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, content, { flag: 'wx' });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
