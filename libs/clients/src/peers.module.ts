import { type DynamicModule, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type ServiceConfig } from '#config';
import { AccessControl, ServiceTokens } from '#http';
import { type Logger } from '#logging';
import { GatekeeperClient } from './gatekeeper-client.js';
import { GuardianClient } from './guardian-client.js';
import { type PeerClient, type PeerOptions } from './peer-client.js';
import { PeerMetrics } from './peer-metrics.js';
import { RemoteAccessControl } from './remote-access-control.js';
import { RouterClient } from './router-client.js';
import { TelemetryClient } from './telemetry-client.js';

const CLIENTS = {
  gatekeeper: GatekeeperClient,
  guardian: GuardianClient,
  router: RouterClient,
  telemetry: TelemetryClient,
} as const;

@Injectable()
class PeersShutdown implements OnApplicationShutdown {
  constructor(private readonly modules: ModuleRef) {}

  async onApplicationShutdown(): Promise<void> {
    const clients = Object.values(CLIENTS).map((client) => this.modules.get<PeerClient>(client));
    await Promise.all(clients.map((client) => client.close()));
  }
}

/** Typed clients of the other services, and access control by way of the gatekeeper, as global providers. */
@Module({})
export class PeersModule {
  static forRoot(service: ServiceConfig, logger: Logger): DynamicModule {
    const clients = Object.entries(CLIENTS).map(([name, Client]) => ({
      provide: Client,
      inject: [ServiceTokens, PeerMetrics],
      useFactory: (tokens: ServiceTokens, meter: PeerMetrics) => {
        const peer = name as keyof typeof CLIENTS;
        return new Client({ name: peer, url: service.peers[peer], tokens, logger, meter } satisfies PeerOptions);
      },
    }));
    return {
      module: PeersModule,
      global: true,
      providers: [...clients, { provide: AccessControl, useClass: RemoteAccessControl }, PeerMetrics, PeersShutdown],
      exports: [...Object.values(CLIENTS), AccessControl],
    };
  }
}
