import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { AuditLogger, PostgresSink } from '#audit';
import { type AuditRecord } from '#contracts';
import { createPool } from '#database';
import { type BenchContext } from '../harness/bench.js';
import { timed } from '../harness/timed.js';
import { type GatekeeperDatabase } from './gatekeeper-database.js';
import { defaultLoggerOptions } from './loggers.js';

/** As many requests as a busy service answers in one turn of its event loop. */
const TURN = 64;
const SINK_CONNECTIONS = 2;

/** As in the gatekeeper, from the first record to the end of the flush. */
export async function throughLogger(
  context: BenchContext,
  database: GatekeeperDatabase,
  records: readonly AuditRecord[],
): Promise<number> {
  const pool = createPool(database.urlOf('runtime'), 'bench', SINK_CONNECTIONS, () => undefined);
  // A service has its connections before it takes requests.
  await Promise.all(Array.from({ length: SINK_CONNECTIONS }, () => pool.query('SELECT pg_sleep(0.01)')));
  const spool = join(context.directory, 'spool');
  const logger = await AuditLogger.open(defaultLoggerOptions(new PostgresSink(pool), spool, context.progress));
  const rate = await timed(records.length, async () => {
    for (let at = 0; at < records.length; at += TURN) {
      while (!(await logger.room(1000, 'memory'))) context.stop.throwIfAborted();
      for (const record of records.slice(at, at + TURN)) logger.record(record);
      await turn();
    }
    await logger.flush();
  });
  await logger.close();
  return rate;
}
