import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { withConnection } from '#database';
import { thinCheckpoints } from './checkpoint-thinning.js';
import { type Query } from './log-tables.js';

export interface CheckpointKeeperOptions {
  /** As the notary. */
  pool: pg.Pool;
  leads: () => boolean;
  log: { warn: (details: object, message: string) => void };
  onDropped?: (checkpoints: number) => void;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** Milliseconds between two looks; default ten minutes. */
  lookMs?: number;
}

const LOOK_MS = 600_000;
/** After it has taken over, or failed. */
const SOON_MS = 5000;
const BATCH = 5000;
const BETWEEN_BATCHES_MS = 50;

/** Thins out the checkpoints that are older than a day, a batch at a time, while this instance leads the log. */
export class CheckpointKeeper {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: CheckpointKeeperOptions) {}

  start(): void {
    this.running ??= this.run();
  }

  /** Finishes the batch under way. Twice is the same as once. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { leads, log, lookMs = LOOK_MS } = this.options;
    while (!this.stopping.signal.aborted) {
      let pause = Math.min(SOON_MS, lookMs);
      try {
        if (leads()) pause = (await this.batch()) ? BETWEEN_BATCHES_MS : lookMs;
      } catch (error) {
        if (!this.stopping.signal.aborted) log.warn({ err: error }, 'could not thin out old checkpoints');
      }
      await sleep(pause, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** @returns whether there may be more */
  private async batch(): Promise<boolean> {
    const { now = Date.now, onDropped } = this.options;
    const { dropped, more } = await thinCheckpoints(this.query, now(), BATCH);
    onDropped?.(dropped);
    return more;
  }

  private readonly query: Query = async (sql, values) =>
    withConnection(this.options.pool, async (client) => (await client.query(sql, [...values])).rows as never);
}
