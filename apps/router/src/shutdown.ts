import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Running } from './completions/running.js';
import { DecisionLog } from './decisions/decision-log.js';
import { Providers } from './providers/providers.js';
import { UsageReporter } from './usage/usage-reporter.js';

const RUNNING_MS = 2000;

/** HTTP is down when this is called, and the peers are still there: what is left of each request goes out, then the buffers. */
@Injectable()
export class RouterShutdown implements OnApplicationShutdown {
  constructor(
    private readonly running: Running,
    private readonly usage: UsageReporter,
    private readonly decisions: DecisionLog,
    private readonly providers: Providers,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.running.settle(RUNNING_MS);
    await Promise.all([this.usage.close(), this.decisions.close(), this.providers.close()]);
  }
}
