import { type DynamicModule, Inject, type MiddlewareConsumer, Module, type NestModule } from '@nestjs/common';
import { type Participation } from '../route/participation.js';
import { PARTICIPATION } from './participation.token.js';
import { SplitReport } from './split-report.js';
import { splitRequests } from './split-requests.js';

/**
 * A service's part in a move, as Nest sees it: what requests want, health and metrics. The participation is started before anything connects
 * and closed after all pools; both are for whoever makes the application. Wants Metrics and HealthDetails to be global.
 */
@Module({})
export class SplitModule implements NestModule {
  constructor(@Inject(PARTICIPATION) private readonly participation: Participation) {}

  static forRoot(participation: Participation): DynamicModule {
    return {
      module: SplitModule,
      providers: [{ provide: PARTICIPATION, useValue: participation }, SplitReport],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(splitRequests(this.participation)).forRoutes('{*path}');
  }
}
