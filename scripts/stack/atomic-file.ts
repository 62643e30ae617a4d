import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';

/** Replaces a file as a whole: a reader sees the old text or the new, whatever interrupts this. Mode 0600. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await throughTemporary(path, text, (temporary) => rename(temporary, path));
}

/** Makes a file only when there is none; false when somebody else's is there. It is never seen half written. Mode 0600. */
export async function createFile(path: string, text: string): Promise<boolean> {
  return throughTemporary(path, text, async (temporary) => {
    try {
      await link(temporary, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  });
}

/** The text of a file, undefined when there is none. Other errors (no permission) are thrown. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function throughTemporary<T>(path: string, text: string, place: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = `${path}.${process.pid}-${randomUUID()}`;
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
    return await place(temporary);
  } finally {
    await rm(temporary, { force: true });
  }
}
