import { Controller, Get, Inject, Res } from '@nestjs/common';
import { HealthCheckService, TypeOrmHealthIndicator, type HealthCheckResult } from '@nestjs/terminus';
import { type Response } from 'express';
import { type ServiceConfig } from '#config';
import { healthResponse, type HealthResponse } from '#contracts';
import { Endpoint, Public } from '#http';
import { HealthDetails } from './health-details.js';

export const HEALTH_SERVICE = Symbol('health service');
const DATABASE_TIMEOUT_MS = 2000;

@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly terminus: HealthCheckService,
    private readonly database: TypeOrmHealthIndicator,
    private readonly details: HealthDetails,
    @Inject(HEALTH_SERVICE) private readonly service: ServiceConfig,
  ) {}

  @Get()
  @Endpoint({
    summary: 'Is this service healthy, and its database and its audit queue?',
    response: healthResponse,
    errors: { 503: 'Unhealthy; the body is the same' },
  })
  async health(@Res({ passthrough: true }) response: Response): Promise<HealthResponse> {
    const database = await this.databaseAnswers();
    const { healthy, details } = this.details.read();
    const status = database && healthy ? 'healthy' : 'unhealthy';
    if (status === 'unhealthy') response.status(503);
    return {
      status,
      service: this.service.name,
      version: this.service.version,
      uptime_seconds: Math.round(process.uptime()),
      database,
      ...details,
    };
  }

  @Get('live')
  @Endpoint({ summary: 'Does the process answer?' })
  live(): Promise<HealthCheckResult> {
    return this.terminus.check([]);
  }

  @Get('ready')
  @Endpoint({ summary: 'Can it take traffic?', errors: { 503: 'Not ready' } })
  ready(): Promise<HealthCheckResult> {
    return this.terminus.check([() => this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS })]);
  }

  private async databaseAnswers(): Promise<boolean> {
    return this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }).then(
      (result) => result.database?.status === 'up',
      () => false,
    );
  }
}
