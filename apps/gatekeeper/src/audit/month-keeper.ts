import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { MonthMaintenance } from './month-maintenance.js';
import { type MonthsState } from './months-state.js';

const EVERY_MS = 60 * 60 * 1000;
/** How long a boot waits for the instance that makes the first months. Events before that would go to quarantine. */
const BOOT_TURNS = 50;
const TURN_MS = 200;

/** Runs the months' maintenance at boot, before the first event, and every hour; publishes what it finds. */
@Injectable()
export class MonthKeeper implements OnModuleInit, OnModuleDestroy {
  private readonly maintenance: MonthMaintenance;
  private readonly state: MonthsState = { partitions: 0, monthsAhead: -1, oldestMonth: null, quarantined: 0 };
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    @Inject(CONFIG) { service, months }: GatekeeperConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
    health: HealthDetails,
  ) {
    this.maintenance = new MonthMaintenance({ url: service.database.migrationUrl, months, log: logger });
    const { state } = this;
    metrics.gauge('audit_partitions', 'Months that the trail has', () => state.partitions);
    metrics.gauge('audit_months_ahead', 'Months ahead; -1 when this one is missing', () => state.monthsAhead);
    metrics.gauge('audit_oldest_month_seconds', 'When the oldest month begins, seconds since the epoch', () =>
      state.oldestMonth === null ? 0 : Date.parse(`${state.oldestMonth}-01T00:00:00Z`) / 1000,
    );
    metrics.gauge('audit_quarantine', 'Events in quarantine at the last maintenance', () => state.quarantined);
    // Nothing is lost when the months run out, so it is no reason to take the service out of traffic.
    health.add('audit_months', () => ({
      healthy: true,
      partitions: state.partitions,
      months_ahead: state.monthsAhead,
      oldest_month: state.oldestMonth,
      quarantined: state.quarantined,
    }));
  }

  async onModuleInit(): Promise<void> {
    for (let turn = 0; turn < BOOT_TURNS; turn++) {
      await this.run();
      if (this.state.monthsAhead >= 0) break;
      await sleep(TURN_MS);
    }
    this.timer = setInterval(() => {
      this.run().catch((error: unknown) =>
        this.logger.error({ err: error }, 'the maintenance of the audit months failed; trying again in an hour'),
      );
    }, EVERY_MS);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.running?.catch(() => undefined);
  }

  /** A call while one is under way waits for that one. */
  run(): Promise<void> {
    this.running ??= this.maintain().finally(() => (this.running = undefined));
    return this.running;
  }

  private async maintain(): Promise<void> {
    const { done: _, ...state } = await this.maintenance.run();
    Object.assign(this.state, state);
  }
}
