import { access, constants } from 'node:fs/promises';
import { tmpdir } from 'node:os';

const SHARED_MEMORY = '/dev/shm';

/**
 * Where to make files by the thousand that are about anything but the disk: in memory, where the system offers that, and else in the
 * temporary directory.
 */
export async function memoryDirectory(): Promise<string> {
  return access(SHARED_MEMORY, constants.W_OK).then(
    () => SHARED_MEMORY,
    () => tmpdir(),
  );
}
