import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ChangeFeed } from '#database';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type GuardianConfig } from '../config.js';
import { FreshCaches } from './fresh-caches.js';

/** What the triggers of the tables notify. */
const CHANNEL = 'guardian_changes';
/** Entries grow old by themselves; this only bounds what a defect in them could do. */
const FORGET_EVERY_MS = 60_000;

/** Empties the caches whenever somebody, anywhere, has changed what they are made of. A hint can only ever make an instance read more. */
@Injectable()
export class ChangeHints implements OnModuleInit, OnApplicationShutdown {
  private feed: ChangeFeed | undefined;
  private listening = true;

  constructor(
    @Inject(CONFIG) private readonly config: GuardianConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly caches: FreshCaches,
    metrics: Metrics,
  ) {
    metrics.gauge('guardian_hints_up', 'Whether hints of changes arrive: 1 or 0', () => Number(this.listening));
  }

  async onModuleInit(): Promise<void> {
    this.feed = await ChangeFeed.open({
      url: this.config.service.database.url,
      applicationName: 'gravitas-guardian',
      channel: CHANNEL,
      refresh: async () => this.caches.forget('hint'),
      everyMs: FORGET_EVERY_MS,
      onTrouble: (error) => this.note(error),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.feed?.close();
  }

  private note(error: Error | undefined): void {
    this.listening = error === undefined;
    if (error)
      this.logger.warn({ err: error }, 'no hints of changes: those of other instances are seen after a second');
    else this.logger.info('hints of changes arrive again');
  }
}
