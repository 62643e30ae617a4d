import { join } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { AuditError, AuditLogger, type AuditSink } from '#audit';
import { type AuditRecord } from '#contracts';
import { type Bench, type BenchContext, type BenchResult } from './harness/bench.js';
import { median } from './harness/statistics.js';
import { defaultLoggerOptions } from './support/loggers.js';
import { decisionRecord } from './support/records.js';

const EVENTS = 2_000_000;
const TURN = 64;
/** Some 250,000 events: it is full for most of the run. */
const SPOOL_BYTES = 192 * 1024 * 1024;
/** For a batch of 5000: some 30,000 events a second. */
const SINK_MS = 160;
const SAMPLE_MS = 100;
const PROGRESS_MS = 5000;
/** Samples are put together by how much of all has reached the sink. */
const PARTS = 10;
const MIB = 1024 * 1024;

/** Whether memory stays the same while events come faster than the sink takes them, so that the spool fills and bounds them. */
export const auditMemory: Bench = {
  name: 'audit-memory',
  about: 'resident memory while 2 million events go through the spool to a slow sink',
  async run(context): Promise<BenchResult[]> {
    const options = defaultLoggerOptions(slowSink(), join(context.directory, 'spool'), context.progress);
    const logger = await AuditLogger.open({ ...options, maxSpoolBytes: SPOOL_BYTES });
    const watch = new MemoryWatch(logger, context);
    try {
      await produce(context, logger);
      await logger.flush();
    } finally {
      watch.stop();
      await logger.close(0);
    }
    return [
      ...watch.figures(),
      { name: 'lost', value: EVENTS - logger.stats().persisted, unit: '1', goal: 0, better: 'less' },
    ];
  },
};

function slowSink(): AuditSink {
  return {
    write: async (events) => {
      await sleep((SINK_MS * events.length) / 5000);
      return { accepted: events.length, duplicates: 0 };
    },
    close: async () => undefined,
  };
}

/** As fast as it can, except while the logger refuses. */
async function produce(context: BenchContext, logger: AuditLogger): Promise<void> {
  for (let number = 0; number < EVENTS;) {
    for (let i = 0; i < TURN && number < EVENTS; i++) {
      if (!isTaken(logger, decisionRecord(number))) break;
      number++;
    }
    await turn();
    while (!(await logger.room(1000))) context.stop.throwIfAborted();
  }
}

function isTaken(logger: AuditLogger, record: AuditRecord): boolean {
  try {
    logger.record(record);
    return true;
  } catch (error) {
    if (error instanceof AuditError && error.code === 'audit_queue_full') return false;
    throw error;
  }
}

class MemoryWatch {
  private readonly parts: number[][] = Array.from({ length: PARTS }, () => []);
  private readonly timers: NodeJS.Timeout[];
  private largestBacklog = 0;

  constructor(
    private readonly logger: AuditLogger,
    context: BenchContext,
  ) {
    const report = (): void => context.progress(`${logger.stats().persisted} of ${EVENTS} events are in the sink`);
    this.timers = [setInterval(() => this.sample(), SAMPLE_MS), setInterval(report, PROGRESS_MS)];
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /** The first part is the warming up; the second is what the others are compared with. */
  figures(): BenchResult[] {
    const [start, ...later] = this.parts.slice(1).map(median) as [number, ...number[]];
    return [
      { name: 'rss_growth', value: Math.max(...later) / start, unit: 'x', goal: 1.1, better: 'less' },
      { name: 'rss_shrinkage', value: Math.min(...later) / start, unit: 'x', goal: 0.9 },
      { name: 'rss_mib', value: median(later), unit: 'MiB' },
      { name: 'rss_peak_mib', value: process.resourceUsage().maxRSS / 1024, unit: 'MiB' },
      { name: 'backlog_events', value: this.largestBacklog, unit: '1' },
    ];
  }

  private sample(): void {
    const { persisted, spooled } = this.logger.stats();
    this.largestBacklog = Math.max(this.largestBacklog, spooled);
    const part = Math.min(Math.floor((persisted / EVENTS) * PARTS), PARTS - 1);
    this.parts[part]!.push(process.memoryUsage.rss() / MIB);
  }
}
