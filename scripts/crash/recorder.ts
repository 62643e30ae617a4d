import { writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { AuditError, AuditLogger, PostgresSink, type AuditReceipt } from '#audit';
import { createPool } from '#database';
import { createLogger } from '#logging';
import { loadConfig } from '../../apps/gatekeeper/src/config.js';
import { randomRecord, turnSize } from './load.js';
import { Random } from './random.js';
import { reportLine, type Report } from './report-lines.js';

/**
 * The process that is killed: records as the gatekeeper does, with its settings and its sink, until the end, and reports every receipt
 * on file descriptor 3 once it is durable. Arguments: the seed; `durable`, or `early` to report before that, which a run must find out; and
 * after how many reports it kills itself, 0 for never.
 */
const REPORT_FD = 3;
const CALLERS = 3;
const SINK_CONNECTIONS = 2;
const ROOM_MS = 1000;

const [seed = '0', when = 'durable', reports = '0'] = process.argv.slice(2);
let reportsLeft = Number(reports);
const { service } = loadConfig(process.env);
const log = createLogger({ service: service.name, ...service.log });

// Only who ends in peace would leave it to the next one otherwise.
flushCompileCache();
report({ kind: 'opening' });
const pool = createPool(service.database.url, 'gravitas-gatekeeper-audit', SINK_CONNECTIONS, () => undefined);
const logger = await AuditLogger.open({ ...service.audit, service: service.name, sink: new PostgresSink(pool), log });
report({ kind: 'open', left: logger.stats().accepted });
await Promise.all(Array.from({ length: CALLERS }, (_, caller) => recordForEver(new Random(Number(seed) + caller))));

/** As one of several callers that do not wait for each other. */
async function recordForEver(random: Random): Promise<never> {
  for (;;) {
    const receipts: AuditReceipt[] = [];
    for (let turns = random.integer(1, 4); turns > 0; turns--) {
      receipts.push(...(await recordTurn(random)));
      if (turns > 1) await nextTurn();
    }
    if (when !== 'early') await Promise.all(receipts.map((receipt) => receipt.durable));
    report(...receipts.map((receipt) => ({ kind: 'acknowledged' as const, ...receipt })));
    if (--reportsLeft === 0) process.kill(process.pid, 'SIGKILL');
    // Also what is idle for a while is killed.
    await (random.chance(0.3) ? sleep(random.integer(1, 20)) : nextTurn());
  }
}

async function recordTurn(random: Random): Promise<AuditReceipt[]> {
  const receipts: AuditReceipt[] = [];
  for (let left = turnSize(random); left > 0; left--) {
    try {
      receipts.push(logger.record(randomRecord(random)));
    } catch (error) {
      if (!(error instanceof AuditError) || error.code === 'audit_invalid') throw error;
      await logger.room(ROOM_MS);
    }
  }
  return receipts;
}

/** All of them are with the parent, or in the pipe, when this returns. Fails when the parent has gone, which ends this process. */
function report(...reports: Report[]): void {
  const bytes = Buffer.from(reports.map(reportLine).join(''));
  for (let done = 0; done < bytes.length;) done += writeSync(REPORT_FD, bytes, done);
}
