import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { FENCED } from '../../src/core/fence/fence.js';
import { type MoveState } from '../../src/core/state/move-state.js';
import { readMove } from '../../src/core/state/move-store.js';
import { type Side } from '../../src/core/side.js';

export interface StandInOptions {
  name: string;
  databases: Readonly<Record<Side, pg.Pool>>;
  /** Never says that it has paused. */
  stubborn?: boolean;
}

/** A service that takes part: its writes wait while they are paused, and it says so. */
export class StandIn {
  private state: MoveState | undefined;
  private underWay = 0;
  private readonly stopping = new AbortController();
  private readonly loop: Promise<void>;
  /** Writes that the fence refused, and that were done again. */
  refused = 0;
  stubborn: boolean;

  constructor(private readonly options: StandInOptions) {
    this.stubborn = options.stubborn ?? false;
    this.loop = this.follow();
  }

  /** Resolves when it is committed somewhere. */
  async write(sql: string, values: unknown[]): Promise<void> {
    for (;;) {
      while (!this.state || this.state.writes === 'paused') await sleep(5);
      this.underWay += 1;
      try {
        await this.options.databases[this.state.writes].query(sql, values);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== FENCED) throw error;
        this.refused += 1;
        await sleep(5);
      } finally {
        this.underWay -= 1;
      }
    }
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    await this.options.databases.target.query('DELETE FROM decomposition.instances WHERE instance = $1', [
      this.options.name,
    ]);
  }

  private async follow(): Promise<void> {
    const { databases, name } = this.options;
    while (!this.stopping.signal.aborted) {
      this.state = await readMove(databases.target, 'thing');
      if (this.state)
        await databases.target.query(
          `INSERT INTO decomposition.instances (instance, service, epoch, paused) VALUES ($1, 'thing', $2, $3)
           ON CONFLICT (instance) DO UPDATE SET seen_at = clock_timestamp(), epoch = excluded.epoch, paused = excluded.paused`,
          [name, this.state.epoch, this.state.writes === 'paused' && this.underWay === 0 && !this.stubborn],
        );
      await sleep(10);
    }
  }
}
