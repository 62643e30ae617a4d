import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type MoveState } from '../../core/state/move-state.js';
import { type ParticipantStats } from '../participant-stats.js';
import { type RecordedStatement } from './recording.js';
import { rowDifferences, type Answers, type RowDifference } from './row-differences.js';

export interface ShadowOptions {
  stats: ParticipantStats;
  log: { warn(details: object, message: string): void };
  /** Before each look again; what still differs after the last one is different. Milliseconds. */
  delays?: readonly number[];
  random?: () => number;
}

const DELAYS_MS = [250, 1000, 3000];
/** Further ones are left out: a sample need not be complete. */
const MAX_RUNNING = 8;

/**
 * Asks the other side what a read has been answered with, and compares: after the answer was given, and never in its way.
 *
 * The side that follows is a little late. So what differs is looked at again, on both sides, with growing pauses, and counts only when the very same
 * rows still differ each time. A side that does not answer is not compared.
 */
export class ShadowComparer {
  private readonly running = new Set<Promise<void>>();
  private readonly closing = new AbortController();

  constructor(private readonly options: ShadowOptions) {}

  /** Whether the read that begins now is one of the sample. */
  wants(state: MoveState | undefined): boolean {
    if (!state || state.shadowPercent === 0 || state.writes === 'paused') return false;
    return this.running.size < MAX_RUNNING && (this.options.random ?? Math.random)() * 100 < state.shadowPercent;
  }

  /** @param here where it was answered */
  compare(statements: readonly RecordedStatement[], here: pg.Pool, there: pg.Pool): void {
    if (this.closing.signal.aborted) return;
    const run: Promise<void> = this.run(statements, here, there)
      .catch(() => undefined)
      .finally(() => this.running.delete(run));
    this.running.add(run);
  }

  /** Waits for what is being asked, begins nothing more. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.running);
  }

  private async run(statements: readonly RecordedStatement[], here: pg.Pool, there: pg.Pool): Promise<void> {
    const { stats, log, delays = DELAYS_MS } = this.options;
    const given = statements.map(({ rows }) => rows);
    let standing: Set<RowDifference> = rowDifferences(given, await ask(there, statements));
    for (const delay of delays) {
      if (standing.size === 0) break;
      await sleep(delay, undefined, { signal: this.closing.signal, ref: false });
      const [ours, theirs] = await Promise.all([ask(here, statements), ask(there, statements)]);
      const now = rowDifferences(ours, theirs);
      standing = new Set([...standing].filter((difference) => now.has(difference)));
    }
    stats.shadow.compared++;
    if (standing.size === 0) return;
    stats.shadow.different++;
    const texts = statements.map(({ text }) => text);
    log.warn({ statements: texts, rows: standing.size }, 'the two sides answer a read differently');
  }
}

/** As in one sitting, so that what a transaction sets up holds for what it asks. */
async function ask(pool: pg.Pool, statements: readonly RecordedStatement[]): Promise<Answers> {
  const client = await pool.connect();
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let broken = true;
  try {
    const answers: unknown[][] = [];
    for (const { text, values } of statements) answers.push((await client.query(text, [...values])).rows);
    broken = false;
    return answers;
  } finally {
    client.off('error', ignore);
    client.release(broken);
  }
}
