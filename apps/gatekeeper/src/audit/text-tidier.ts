import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { errorMessage } from '#errors';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { monthOf } from './month.js';

const EVERY_MS = 5000;

/**
 * Sorts new words into the full-text index beside the writers, every few seconds. Not doing it costs time and no event: the words wait in a
 * list that searches read too, until it is full and a writer has to do it.
 */
@Injectable()
export class TextTidier implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    private readonly database: DataSource,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.timer = setInterval(() => {
      this.running ??= this.tidy().finally(() => (this.running = undefined));
    }, EVERY_MS);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async tidy(): Promise<void> {
    try {
      await this.database.query('SELECT tidy_audit_text($1)', [monthOf(new Date(), -1)]);
    } catch (error) {
      this.logger.warn(
        { err: errorMessage(error) },
        'the full-text index was not tidied; searches for words are slower',
      );
    }
  }
}
