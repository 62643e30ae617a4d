import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { AuditLogger, type AuditLoggerOptions } from '#audit';
import { type AuditRecord } from '#contracts';
import { type Bench, type BenchContext, type BenchResult } from './harness/bench.js';
import { median, quantile } from './harness/statistics.js';
import { timed } from './harness/timed.js';
import { defaultLoggerOptions, EAGER_SINK } from './support/loggers.js';
import { decisionRecords } from './support/records.js';

type Durability = AuditLoggerOptions['durability'];

const MODES: readonly Durability[] = ['process', 'disk', 'memory'];
const ROUNDS = 7;
const EVENTS = 100_000;
/** As many requests as a busy service answers in one turn of its event loop. */
const TURN = 64;
/** Of the queue. */
const BURST = 10_000;
const BURSTS = 40;
const LOOP_RESOLUTION_MS = 1;

/** What `record` costs the caller, and the process, with a sink that takes everything at once. */
export const auditRecord: Bench = {
  name: 'audit-record',
  about: 'microseconds of record(), events a second in bursts and for long, delay of the event loop',
  async run(context): Promise<BenchResult[]> {
    const records = decisionRecords(BURST);
    const rounds = new Map<Durability, Round[]>(MODES.map((mode) => [mode, []]));
    // The first round teaches the compiler, and does not count.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const mode of MODES) {
        context.stop.throwIfAborted();
        const measured = await withLogger(context, mode, async (logger) => ({
          ...(await latencies(logger, records)),
          ...(await sustained(logger, records)),
        }));
        if (round > 0) rounds.get(mode)!.push(measured);
      }
      context.progress(round === 0 ? 'warmed up' : `round ${round} of ${ROUNDS}`);
    }
    const bursts = await withLogger(context, 'process', (logger) => burst(logger, records));
    context.progress(`${BURSTS} bursts`);
    const idle = await loopDelay(() => sleep(1000));
    return figures(rounds, bursts, idle);
  },
};

interface Round {
  p50: number;
  p99: number;
  eventsPerS: number;
  loopDelayP99: number;
}

interface Bursts {
  recorded: number[];
  durable: number[];
}

async function withLogger<T>(
  context: BenchContext,
  durability: Durability,
  work: (logger: AuditLogger) => Promise<T>,
): Promise<T> {
  const options = defaultLoggerOptions(EAGER_SINK, join(context.directory, 'spool'), context.progress);
  const logger = await AuditLogger.open({ ...options, durability });
  try {
    return await work(logger);
  } finally {
    await logger.close();
  }
}

/** Of single calls, in microseconds; the clock's own time is in them. */
async function latencies(logger: AuditLogger, records: readonly AuditRecord[]): Promise<{ p50: number; p99: number }> {
  const calls = new Float64Array(EVENTS);
  for (let at = 0; at < EVENTS; at += TURN) {
    for (let i = at; i < Math.min(at + TURN, EVENTS); i++) {
      const record = records[i % records.length]!;
      const began = performance.now();
      logger.record(record);
      calls[i] = (performance.now() - began) * 1000;
    }
    await afterTurn(logger);
  }
  await logger.flush();
  return { p50: median(calls), p99: quantile(calls, 0.99) };
}

/** Until the last event is durable. */
async function sustained(
  logger: AuditLogger,
  records: readonly AuditRecord[],
): Promise<{ eventsPerS: number; loopDelayP99: number }> {
  let eventsPerS = 0;
  const loopDelayP99 = await loopDelay(async () => {
    eventsPerS = await timed(EVENTS, async () => {
      let last = Promise.resolve();
      for (let at = 0; at < EVENTS; at += TURN) {
        for (let i = at; i < Math.min(at + TURN, EVENTS); i++)
          last = logger.record(records[i % records.length]!).durable;
        await afterTurn(logger);
      }
      await last;
    });
  });
  await logger.flush();
  return { eventsPerS, loopDelayP99 };
}

/** A queue full of events at once, and the time until all of them are durable. */
async function burst(logger: AuditLogger, records: readonly AuditRecord[]): Promise<Bursts> {
  const bursts: Bursts = { recorded: [], durable: [] };
  for (let i = 0; i < BURSTS; i++) {
    let last = Promise.resolve();
    const began = performance.now();
    for (const record of records) last = logger.record(record).durable;
    const recorded = performance.now();
    await last;
    const durable = performance.now();
    bursts.recorded.push((BURST / (recorded - began)) * 1000);
    bursts.durable.push((BURST / (durable - began)) * 1000);
    await logger.flush();
  }
  return bursts;
}

async function afterTurn(logger: AuditLogger): Promise<void> {
  await turn();
  while (!(await logger.room(1000, 'memory')));
}

/** The 99th percentile of the time between two looks that are due every millisecond, in milliseconds, while work goes on. */
async function loopDelay(work: () => Promise<unknown>): Promise<number> {
  const monitor = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  monitor.enable();
  await work();
  monitor.disable();
  return monitor.percentile(99) / 1e6;
}

/** What two readings of the clock in a row cost, in microseconds: part of each latency. */
function clockCost(): number {
  const readings = Float64Array.from({ length: EVENTS }, () => {
    const began = performance.now();
    return (performance.now() - began) * 1000;
  });
  return median(readings);
}

function figures(rounds: Map<Durability, Round[]>, bursts: Bursts, idle: number): BenchResult[] {
  const of = (mode: Durability, figure: keyof Round): number => median(rounds.get(mode)!.map((round) => round[figure]));
  const each = (result: (mode: Durability) => BenchResult): BenchResult[] => MODES.map(result);
  const goal = (mode: Durability, value: number) => (mode === 'process' ? { goal: value } : {});
  return [
    ...MODES.flatMap((mode): BenchResult[] => [
      { name: `record_p50_us.${mode}`, value: of(mode, 'p50'), unit: 'µs', better: 'less', ...goal(mode, 5) },
      { name: `record_p99_us.${mode}`, value: of(mode, 'p99'), unit: 'µs', better: 'less', ...goal(mode, 20) },
    ]),
    { name: 'clock_us', value: clockCost(), unit: 'µs' },
    { name: 'burst_per_s', value: median(bursts.recorded), unit: '1/s', goal: 500_000 },
    { name: 'burst_durable_per_s.process', value: median(bursts.durable), unit: '1/s' },
    ...each((mode) => ({ name: `events_per_s.${mode}`, value: of(mode, 'eventsPerS'), unit: '1/s' })),
    ...each((mode) => ({ name: `loop_delay_p99_ms.${mode}`, value: of(mode, 'loopDelayP99'), unit: 'ms' })),
    { name: 'loop_delay_p99_ms.idle', value: idle, unit: 'ms' },
  ];
}
