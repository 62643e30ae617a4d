import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { Clock } from './clock.js';
import { RemoteKeys } from './remote-keys.js';

/** The identity provider's keys as a part of the service: fetched from the start, shown in health and metrics. */
@Injectable()
export class IdentityProvider implements OnModuleInit, OnModuleDestroy {
  readonly keys: RemoteKeys | undefined;
  /** Told when the keys change. */
  onChange: () => void = () => undefined;

  constructor(
    @Inject(CONFIG) { jwt }: GatekeeperConfig,
    @Inject(LOGGER) logger: Logger,
    clock: Clock,
    private readonly health: HealthDetails,
    private readonly metrics: Metrics,
  ) {
    if (jwt.jwksUrl === undefined) return;
    const fetches = metrics.counter('jwks_fetches_total', "Fetches of the identity provider's keys, by result", [
      'result',
    ]);
    this.keys = new RemoteKeys({
      url: jwt.jwksUrl,
      clock,
      logger,
      onChange: () => this.onChange(),
      onFetch: (result) => fetches.inc({ result }),
    });
  }

  /** The first fetch goes on in the background: the service starts without the provider, too. */
  onModuleInit(): void {
    const { keys } = this;
    if (!keys) return;
    this.health.add('identity_provider', () => ({
      // Tokens of known keys go on, and others are answered with an outage; to take this instance out of service would not help them.
      healthy: true,
      keys: keys.size,
      age_seconds: keys.age === undefined ? null : Math.round(keys.age),
      ...(keys.failing && { failing_since: new Date(keys.failing.since).toISOString(), problem: keys.failing.problem }),
    }));
    this.metrics.gauge('jwks_keys', "The identity provider's keys in force", () => keys.size);
    this.metrics.gauge(
      'jwks_age_seconds',
      'Time since these keys were fetched; NaN before the first',
      () => keys.age ?? NaN,
    );
    keys.refreshWhenStale();
  }

  async onModuleDestroy(): Promise<void> {
    await this.keys?.close();
  }
}
