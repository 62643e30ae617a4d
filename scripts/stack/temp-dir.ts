import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, postgresIdentity } from '#embedded-postgres';

/**
 * A fresh temporary directory that the server's user can enter: TMPDIR may lie below a home that it cannot.
 * The caller removes it.
 */
export async function makeReachableTempDir(prefix: string): Promise<string> {
  const identity = await postgresIdentity();
  for (const parent of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    const directory = await mkdtemp(join(parent, prefix)).catch(() => undefined);
    if (directory === undefined) continue;
    await chmod(directory, 0o711);
    if (await canReach(directory, identity)) return directory;
    await rm(directory, { recursive: true, force: true });
  }
  throw new Error(`No temporary directory that user ${identity?.name ?? ''} can enter. Set TMPDIR to one.`);
}
