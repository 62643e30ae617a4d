import { Inject, Injectable } from '@nestjs/common';
import { TypeOrmHealthIndicator } from '@nestjs/terminus';
import { type ServiceConfig } from '#config';
import { type HealthResponse } from '#contracts';
import { HealthDetails } from './health-details.js';

export const HEALTH_SERVICE = Symbol('health service');
const DATABASE_TIMEOUT_MS = 2000;

/** This service's own health, as `/health` shows it. */
@Injectable()
export class ServiceHealth {
  constructor(
    private readonly database: TypeOrmHealthIndicator,
    private readonly details: HealthDetails,
    @Inject(HEALTH_SERVICE) private readonly service: ServiceConfig,
  ) {}

  /** Asks the database, for at most two seconds, and every part that registered. Never throws. */
  async read(): Promise<HealthResponse> {
    const database = await this.databaseAnswers();
    const { healthy, details } = this.details.read();
    return {
      status: database && healthy ? 'healthy' : 'unhealthy',
      service: this.service.name,
      version: this.service.version,
      uptime_seconds: Math.round(process.uptime()),
      database,
      ...details,
    };
  }

  private async databaseAnswers(): Promise<boolean> {
    return this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }).then(
      (result) => result.database?.status === 'up',
      () => false,
    );
  }
}
