import { type DynamicModule, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { type ServiceConfig } from '#config';
import { HealthDetails } from './health-details.js';
import { HealthController } from './health.controller.js';
import { HEALTH_SERVICE, ServiceHealth } from './service-health.js';

@Module({})
export class HealthModule {
  static forRoot(service: ServiceConfig): DynamicModule {
    return {
      module: HealthModule,
      global: true,
      imports: [TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [HealthDetails, ServiceHealth, { provide: HEALTH_SERVICE, useValue: service }],
      exports: [HealthDetails, ServiceHealth],
    };
  }
}
