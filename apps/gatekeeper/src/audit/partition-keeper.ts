import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { type Logger } from '#logging';
import { LOGGER } from '#service';

const MONTHS_BACK = 1;
const MONTHS_AHEAD = 3;
const EVERY_MS = 6 * 60 * 60 * 1000;

/** Keeps the trail's months around now in place: at boot, before the first event, and a few times a day. */
@Injectable()
export class PartitionKeeper implements OnModuleInit, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: DataSource,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.ensure();
    this.timer = setInterval(() => {
      this.ensure().catch((error: unknown) =>
        this.logger.error({ err: error }, 'could not make the months ahead; trying again later'),
      );
    }, EVERY_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  async ensure(): Promise<void> {
    const made = await this.database.query<{ ensure_audit_partitions: string }[]>(
      'SELECT ensure_audit_partitions($1, $2)',
      [MONTHS_BACK, MONTHS_AHEAD],
    );
    if (made.length > 0)
      this.logger.info({ partitions: made.map((row) => row.ensure_audit_partitions) }, 'audit partitions made');
  }
}
