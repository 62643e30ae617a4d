import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { type Response } from 'express';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type LobbyConfig } from '../config.js';
import { SystemHealth } from './system-health.js';

export const MAX_STREAMS = 100;
const KEEP_ALIVE_MS = 15_000;

/**
 * Those who watch the system's health, each over server-sent events. However many they are, the services are asked once per
 * interval, and not at all while nobody watches. Who does not keep up misses events, not memory.
 */
@Injectable()
export class HealthStreams implements OnModuleDestroy {
  private readonly watchers = new Set<Response>();
  private poller: NodeJS.Timeout | undefined;
  private keepAlive: NodeJS.Timeout | undefined;
  private latest: string | undefined;
  private polling = false;
  private closed = false;

  constructor(
    @Inject(CONFIG) private readonly config: LobbyConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly health: SystemHealth,
    metrics: Metrics,
  ) {
    metrics.gauge('lobby_health_streams', 'Watchers of the health stream', () => this.watchers.size);
  }

  /** @throws ServiceError unavailable (`too_many_streams`) beyond a hundred watchers */
  add(response: Response): void {
    if (this.closed || this.watchers.size >= MAX_STREAMS)
      throw new ServiceError('unavailable', 'too_many_streams', `At most ${MAX_STREAMS} may watch at once`, {
        retryAfter: 5,
      });
    response
      .set({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' })
      .flushHeaders();
    this.watchers.add(response);
    response.once('close', () => this.remove(response));
    if (this.latest !== undefined) response.write(this.latest);
    if (this.poller === undefined) this.start();
  }

  /** Before HTTP drains, which would wait for streams that never end. */
  onModuleDestroy(): void {
    this.closed = true;
    for (const watcher of this.watchers) watcher.end();
    this.stop();
  }

  private remove(response: Response): void {
    this.watchers.delete(response);
    if (this.watchers.size === 0) this.stop();
  }

  private start(): void {
    const poll = (): void => {
      // A service that hangs may take longer than the interval: one look at a time.
      if (this.polling) return;
      this.polling = true;
      this.poll()
        .catch((error: unknown) => this.logger.error({ err: error }, 'the health of the system cannot be read'))
        .finally(() => (this.polling = false));
    };
    this.poller = setInterval(poll, this.config.healthIntervalMs);
    this.keepAlive = setInterval(() => this.send(': keep-alive\n\n'), KEEP_ALIVE_MS);
    poll();
  }

  private stop(): void {
    clearInterval(this.poller);
    clearInterval(this.keepAlive);
    this.poller = undefined;
    this.latest = undefined;
  }

  private async poll(): Promise<void> {
    const event = `event: health\ndata: ${JSON.stringify(await this.health.read())}\n\n`;
    // Nobody may be left by now; then this is not the latest for whoever comes next.
    if (this.poller === undefined) return;
    this.latest = event;
    this.send(event);
  }

  private send(text: string): void {
    for (const watcher of this.watchers) if (!watcher.writableNeedDrain) watcher.write(text);
  }
}
