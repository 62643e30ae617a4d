import { performance } from 'node:perf_hooks';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { SERVICES, type DetailedHealth, type ServiceName, type ServiceStatus } from '#contracts';
import { ServiceHealth } from '#health';
import { CONFIG, type LobbyConfig } from '../config.js';
import { millisecondsSince, PeerHealth, toStatus } from './peer-health.js';

const SELF: ServiceName = 'lobby';
/** The keeper of the audit trail first, the door last. */
const ORDER = [...SERVICES].reverse();

/** The health of the whole: every service, its database, its audit queue. */
@Injectable()
export class SystemHealth implements OnApplicationShutdown {
  private readonly peers = new PeerHealth();
  private current: Promise<DetailedHealth> | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: LobbyConfig,
    private readonly own: ServiceHealth,
  ) {}

  /** Those who ask while it is being looked at get the same answer: anybody may ask, as often as they like. */
  read(): Promise<DetailedHealth> {
    this.current ??= this.look().finally(() => (this.current = undefined));
    return this.current;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.peers.close();
  }

  private async look(): Promise<DetailedHealth> {
    const statuses = await Promise.all(
      ORDER.map(async (name): Promise<[ServiceName, ServiceStatus]> => [name, await this.statusOf(name)]),
    );
    const services = Object.fromEntries(statuses);
    return { status: overall(services), checked_at: new Date().toISOString(), services };
  }

  private async statusOf(name: ServiceName): Promise<ServiceStatus> {
    if (name !== SELF) return this.peers.check(name, this.config.service.peers[name]);
    const start = performance.now();
    return toStatus(await this.own.read(), millisecondsSince(start));
  }
}

/** A peer that is away degrades the whole; only the lobby itself can make it unhealthy. */
export function overall(services: Record<string, ServiceStatus>): DetailedHealth['status'] {
  if (services[SELF]?.status !== 'healthy') return 'unhealthy';
  return Object.values(services).every(({ status }) => status === 'healthy') ? 'healthy' : 'degraded';
}
