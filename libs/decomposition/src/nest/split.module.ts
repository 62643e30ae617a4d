import {
  type DynamicModule,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { type Participation } from '../route/participation.js';
import { PARTICIPATION } from './participation.token.js';
import { SplitReport } from './split-report.js';
import { splitRequests } from './split-requests.js';

/**
 * A service's part in a move, as Nest sees it: what requests want, health and metrics, and the end. The participation is started before
 * anything connects, by whoever makes the application. Wants Metrics and HealthDetails to be global.
 *
 * To be the first of the root module's imports: Nest shuts global modules down after all others, and the first of them last. So the
 * participation ends when the pools have ended, whose last writes have to know the move, too.
 */
@Module({})
export class SplitModule implements NestModule, OnApplicationShutdown {
  constructor(@Inject(PARTICIPATION) private readonly participation: Participation) {}

  static forRoot(participation: Participation): DynamicModule {
    return {
      module: SplitModule,
      global: true,
      providers: [{ provide: PARTICIPATION, useValue: participation }, SplitReport],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(splitRequests(this.participation)).forRoutes('{*path}');
  }

  async onApplicationShutdown(): Promise<void> {
    await this.participation.close();
  }
}
