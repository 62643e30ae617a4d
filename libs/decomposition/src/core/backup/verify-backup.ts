import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SplitError } from '../errors.js';
import { checkFile } from './backup-files.js';
import { MANIFEST, manifestSchema, type Manifest } from './manifest.js';

/**
 * Reads a backup's manifest, and each of its files, whole.
 *
 * @throws SplitError `refused` when it is no backup, or one of a later format; `different` naming each file that is not as it was written
 */
export async function verifyBackup(directory: string): Promise<Manifest> {
  const manifest = await readManifest(directory);
  const files = [manifest.before, manifest.after, ...manifest.tables.flatMap((table) => table.files)];
  const problems: string[] = [];
  for (const file of files) {
    const problem = await checkFile(directory, file);
    if (problem) problems.push(problem);
  }
  if (problems.length === 0) return manifest;
  throw new SplitError(
    'different',
    `The backup in ${directory} is damaged:\n${problems.map((line) => `  ${line}`).join('\n')}`,
    'Take another copy of it, or make a new one.',
  );
}

async function readManifest(directory: string): Promise<Manifest> {
  const next = 'A backup that was interrupted has none: run `backup` again.';
  let text: string;
  try {
    text = await readFile(join(directory, MANIFEST), 'utf8');
  } catch (cause) {
    throw new SplitError('refused', `There is no ${MANIFEST} in ${directory}: it is no backup.`, next, { cause });
  }
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new SplitError('refused', `${MANIFEST} in ${directory} cannot be read: ${why}`, next, { cause });
  }
}
