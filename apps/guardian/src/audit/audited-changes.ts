import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AuditTrail } from '#audit';
import { type AuditRecord } from '#contracts';
import { FreshCaches } from '../fresh/fresh-caches.js';

export interface Change<T> {
  result: T;
  /** What to record; nothing where nothing changed. */
  events: AuditRecord[];
}

/**
 * Changes the database only if it can be recorded: the event is recorded in the transaction, just before its commit, and a refusal
 * rolls back. Should the commit itself fail, the trail says of a change that it happened when it did not; never the other way round.
 * This instance forgets what it kept before the caller hears of it, also where nobody knows whether the commit went through.
 */
@Injectable()
export class AuditedChanges {
  constructor(
    private readonly database: DataSource,
    private readonly trail: AuditTrail,
    private readonly caches: FreshCaches,
  ) {}

  /** @throws ServiceError unavailable (`audit_unavailable`), and whatever `change` throws */
  async run<T>(change: (manager: EntityManager) => Promise<Change<T>>): Promise<T> {
    try {
      return await this.database.transaction(async (manager) => {
        const { result, events } = await change(manager);
        for (const event of events) await this.trail.record(event);
        return result;
      });
    } finally {
      this.caches.forget('change');
    }
  }
}
