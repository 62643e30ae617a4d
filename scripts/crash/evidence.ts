import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/**
 * Copies directories to a place that outlives the run, with `findings.json` beside them.
 * @returns where
 */
export async function keepEvidence(directories: readonly string[], findings: object): Promise<string> {
  const kept = await mkdtemp(join(tmpdir(), 'gravitas-crash-'));
  for (const directory of directories) {
    // Not every run has come as far as to have all of them.
    await cp(directory, join(kept, basename(directory)), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  await writeFile(join(kept, 'findings.json'), `${JSON.stringify(findings, undefined, 2)}\n`);
  return kept;
}
