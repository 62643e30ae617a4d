import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { settleWithin } from '#batching';
import { Running } from './completions/running.js';
import { CONFIG, type RouterConfig } from './config.js';
import { DecisionLog } from './decisions/decision-log.js';
import { Providers } from './providers/providers.js';
import { UsageReporter } from './usage/usage-reporter.js';

/** HTTP is down when this is called, and the peers are still there: what is left of each request goes out, then the buffers. */
@Injectable()
export class RouterShutdown implements OnApplicationShutdown {
  constructor(
    @Inject(CONFIG) private readonly config: RouterConfig,
    private readonly running: Running,
    private readonly usage: UsageReporter,
    private readonly decisions: DecisionLog,
    private readonly providers: Providers,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    // Half for what still runs, half for the buffers that it fills.
    const half = this.config.service.shutdown.buffersMs / 2;
    await settleWithin(this.running.idle(), half);
    await Promise.all([this.usage.close(half), this.decisions.close(half), this.providers.close()]);
  }
}
