import { join } from 'node:path';
import { SILENT, verbs } from '#decomposition';
import { type BenchContext } from '../../harness/bench.js';
import { type SharedDatabase } from './shared-database.js';

export interface BackupSeconds {
  backup: number;
  restore: number;
}

/** Once each: all of the sample, into files, and from there into a database in the target's place. */
export async function backupSeconds(context: BenchContext, database: SharedDatabase): Promise<BackupSeconds> {
  const { directory, stop: signal, progress } = context;
  const folder = join(directory, 'backup');
  const run = { progress: SILENT, signal };
  await database.checkpoint();
  const began = performance.now();
  await verbs.backup(
    database.plan,
    database.plan.services.map(({ name }) => name),
    folder,
    run,
  );
  const between = performance.now();
  await database.emptyTarget('');
  await database.checkpoint();
  const restoring = performance.now();
  await verbs.restore(folder, database.urls.target, run);
  const seconds = { backup: (between - began) / 1000, restore: (performance.now() - restoring) / 1000 };
  await database.dropTarget();
  progress(`backup in ${seconds.backup.toFixed(1)} s, restored in ${seconds.restore.toFixed(1)} s`);
  return seconds;
}
