import { chmod, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SplitError } from '../errors.js';
import { MANIFEST, type Manifest } from './manifest.js';

/** Says whose unfinished backup a directory is; the manifest takes its place. */
const UNFINISHED = 'unfinished.json';

/**
 * An empty directory, readable by nobody else; what an interrupted backup of the same left there is thrown away.
 *
 * @throws SplitError `refused` when there is anything else in it
 */
export async function prepareDirectory(directory: string, plan: string, services: readonly string[]): Promise<void> {
  const mark = JSON.stringify({ plan, services });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const entries = await readdir(directory);
  if (entries.length > 0) {
    const found = await readFile(join(directory, UNFINISHED), 'utf8').catch(() => undefined);
    if (entries.includes(MANIFEST) || found !== mark)
      throw new SplitError(
        'refused',
        `${directory} is not empty${entries.includes(MANIFEST) ? ': there is a backup in it' : ''}.`,
        'Name a directory that is not there yet.',
      );
    // The mark goes last: until then it can be tried again.
    for (const entry of entries.filter((name) => name !== UNFINISHED)) await rm(join(directory, entry));
  }
  await chmod(directory, 0o700);
  await writeDurably(join(directory, UNFINISHED), mark);
  await sync(directory);
}

/** From here on it is a backup. */
export async function finishDirectory(directory: string, manifest: Manifest): Promise<void> {
  const temporary = join(directory, `${MANIFEST}.new`);
  await writeDurably(temporary, `${JSON.stringify(manifest, null, 2)}\n`);
  await sync(directory);
  await rename(temporary, join(directory, MANIFEST));
  await rm(join(directory, UNFINISHED));
  await sync(directory);
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
