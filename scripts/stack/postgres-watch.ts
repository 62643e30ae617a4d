import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type StackPostgres } from './postgres.js';

const POLL_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

/**
 * Starts the embedded server again when it crashed (its pid file is still there). One that somebody stopped on purpose
 * stays stopped: that is said, and the services report themselves unhealthy until it is back.
 */
export class PostgresWatch {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private pauseMs = POLL_MS;
  private wasRunning = true;
  private closed = false;

  constructor(
    private readonly postgres: StackPostgres,
    private readonly say: (text: string) => void,
  ) {
    this.schedule();
  }

  /** Ends the watch; resolves when a restart that was under way is done. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.working;
  }

  private schedule(): void {
    if (this.closed) return;
    this.timer = setTimeout(() => {
      this.working = this.check().finally(() => this.schedule());
    }, this.pauseMs);
  }

  private async check(): Promise<void> {
    const running = await this.postgres.isRunning();
    if (running || this.closed) {
      if (!this.wasRunning) this.say('is back');
      this.wasRunning = true;
      this.pauseMs = POLL_MS;
      return;
    }
    const crashed = existsSync(join(this.postgres.dataDir, 'postmaster.pid'));
    if (crashed) await this.restart();
    else if (this.wasRunning) this.say('was stopped by somebody else; the services wait for it');
    this.wasRunning = false;
  }

  private async restart(): Promise<void> {
    try {
      this.say('crashed; it is started again');
      await this.postgres.start();
    } catch (error) {
      this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
      const reason = error instanceof Error ? error.message : String(error);
      this.say(`did not start (${reason}); tried again in ${this.pauseMs / 1000} s`);
    }
  }
}
