import { Controller, Get, Res } from '@nestjs/common';
import { HealthCheckService, TypeOrmHealthIndicator, type HealthCheckResult } from '@nestjs/terminus';
import { type Response } from 'express';
import { healthResponse, type HealthResponse } from '#contracts';
import { Endpoint, Public } from '#http';
import { ServiceHealth } from './service-health.js';

const DATABASE_TIMEOUT_MS = 2000;

@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly terminus: HealthCheckService,
    private readonly database: TypeOrmHealthIndicator,
    private readonly service: ServiceHealth,
  ) {}

  @Get()
  @Endpoint({
    summary: 'Is this service healthy, and its database and its audit queue?',
    response: healthResponse,
    errors: { 503: 'Unhealthy; the body is the same' },
  })
  async health(@Res({ passthrough: true }) response: Response): Promise<HealthResponse> {
    const health = await this.service.read();
    if (health.status === 'unhealthy') response.status(503);
    return health;
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
}
