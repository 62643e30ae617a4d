import { verbs } from '#decomposition';
import { type Bench, type BenchContext, type BenchResult } from './harness/bench.js';
import { median, quantile } from './harness/statistics.js';
import { backupSeconds } from './support/split/backup-seconds.js';
import { copyRounds, stepsOf } from './support/split/copy-rounds.js';
import { throughputRounds } from './support/split/own-or-shared.js';
import { requirePsql } from './support/split/psql-copy.js';
import { bytesOf, ROWS } from './support/split/sample.js';
import { startSharedDatabase } from './support/split/shared-database.js';
import { switchRounds } from './support/split/switch-rounds.js';
import { verifySeconds } from './support/split/verify-seconds.js';

/** A service leaves a shared database: how long each part takes, how long its writes wait, and what it gains. */
export const split: Bench = {
  name: 'split',
  about:
    'copying beside psql, verification, how long writes wait for a switch, and a service alone beside one that shares',
  async run(context): Promise<BenchResult[]> {
    requirePsql();
    return [...(await moving(context)), ...(await apart(context))];
  },
};

async function moving(context: BenchContext): Promise<BenchResult[]> {
  const database = await startSharedDatabase(context);
  const bytes = await bytesOf(database.source);
  const backup = await backupSeconds(context, database);
  const { times, move } = await copyRounds(context, database);
  await verbs.copy(move);
  const index = (await stepsOf(move)).finished! / 1000;
  context.progress(`in step; indexes in ${index.toFixed(1)} s`);
  const verify = await verifySeconds(context, move);
  const { pauses, reverse, writesPerS, medianWriteMs } = await switchRounds(context, move);
  await database.forget(move);
  await database.close();

  const copy = median(times.split);
  const all = [...pauses.switchWrites, ...pauses.reverse];
  const less = 'less' as const;
  return [
    { name: 'copy_vs_psql', value: median(times.psql) / copy, unit: 'x', goal: 0.7 },
    { name: 'copy_vs_psql.binary', value: median(times.psqlBinary) / copy, unit: 'x' },
    { name: 'copy_rows_per_s', value: ROWS / copy, unit: '1/s' },
    { name: 'copy_mb_per_s', value: bytes / 1e6 / copy, unit: 'MB/s' },
    { name: 'index_s', value: index, unit: 's', better: less },
    { name: 'verify_rows_per_s', value: ROWS / verify.full, unit: '1/s' },
    { name: 'verify_incremental_s', value: verify.incremental, unit: 's', better: less },
    { name: 'write_pause_p50_ms', value: median(all), unit: 'ms', better: less },
    { name: 'write_pause_p99_ms', value: quantile(all, 0.99), unit: 'ms', goal: 1000, better: less },
    { name: 'write_pause_p50_ms.switch_writes', value: median(pauses.switchWrites), unit: 'ms', better: less },
    { name: 'write_pause_p50_ms.reverse', value: median(pauses.reverse), unit: 'ms', better: less },
    { name: 'reverse_s', value: median(reverse), unit: 's', goal: 5, better: less },
    { name: 'reverse_s.worst', value: Math.max(...reverse), unit: 's', better: less },
    { name: 'writes_per_s', value: writesPerS, unit: '1/s' },
    { name: 'write_p50_ms', value: medianWriteMs, unit: 'ms', better: less },
    ...perGb({ backup: backup.backup, restore: backup.restore, copy, verify: verify.full, index }, bytes),
  ];
}

function perGb(seconds: Readonly<Record<string, number>>, bytes: number): BenchResult[] {
  return Object.entries(seconds).map(([name, value]) => ({
    name: `s_per_gb.${name}`,
    value: value / (bytes / 1e9),
    unit: 's',
    better: 'less',
  }));
}

async function apart(context: BenchContext): Promise<BenchResult[]> {
  const { turnsPerS, latencies } = await throughputRounds(context);
  const less = 'less' as const;
  return [
    { name: 'own_vs_shared_throughput', value: median(turnsPerS.own) / median(turnsPerS.shared), unit: 'x' },
    { name: 'turns_per_s.own', value: median(turnsPerS.own), unit: '1/s' },
    { name: 'turns_per_s.shared', value: median(turnsPerS.shared), unit: '1/s' },
    { name: 'turn_p99_ms.own', value: quantile(latencies.own, 0.99), unit: 'ms', better: less },
    { name: 'turn_p99_ms.shared', value: quantile(latencies.shared, 0.99), unit: 'ms', better: less },
  ];
}
