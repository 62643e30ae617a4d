import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MoreThanOrEqual, Repository, type FindOptionsWhere } from 'typeorm';
import { type TelemetryEventsQuery } from '#contracts';
import { type Scope } from '../access/read-scope.js';
import { SystemTelemetry } from './system-telemetry.entity.js';

const HOUR_MS = 3_600_000;

@Injectable()
export class EventsRepository {
  constructor(@InjectRepository(SystemTelemetry) private readonly events: Repository<SystemTelemetry>) {}

  /** Newest first; of one moment, by id. */
  find(query: TelemetryEventsQuery, scope: Scope): Promise<SystemTelemetry[]> {
    const where: FindOptionsWhere<SystemTelemetry> = { timestamp: MoreThanOrEqual(hoursAgo(query.hours)) };
    if (scope.tenantId !== null) where.tenantId = scope.tenantId;
    if (scope.ghostId !== null) where.ghostId = scope.ghostId;
    if (query.component !== undefined) where.component = query.component;
    if (query.event_type !== undefined) where.eventType = query.event_type;
    return this.events.find({ where, order: { timestamp: 'DESC', id: 'DESC' }, take: query.limit });
  }
}

export function hoursAgo(hours: number): Date {
  return new Date(Date.now() - hours * HOUR_MS);
}
