import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository, type EntityManager, type FindOptionsWhere, type SelectQueryBuilder } from 'typeorm';
import { type HistoryEntry as Entry, HistoryEntry } from './history.entity.js';
import { type Scope } from './history-scope.js';

/** Where a page begins: before this moment, and of this moment before this id. */
export interface Position {
  createdAt: Date;
  id: string | null;
}

@Injectable()
export class HistoryRepository {
  constructor(@InjectRepository(HistoryEntry) private readonly entries: Repository<HistoryEntry>) {}

  /** In one statement: all of them or none. */
  async add(entries: Entry[]): Promise<void> {
    await this.entries.insert(entries);
  }

  /** Newest first, by (created_at, id). */
  find(scope: Scope, before: Position | undefined, limit: number): Promise<Entry[]> {
    const query = this.entries.createQueryBuilder('h').where(whereOf(scope));
    if (before) startBefore(query, before);
    return query.orderBy('h.createdAt', 'DESC').addOrderBy('h.id', 'DESC').limit(limit).getMany();
  }

  /** Within the scope only: that a message exists is no business of anybody else's. */
  async positionOf(id: string, scope: Scope): Promise<Position | undefined> {
    const entry = await this.entries.findOne({
      where: { ...whereOf(scope), id },
      select: { id: true, createdAt: true },
    });
    return entry ?? undefined;
  }

  /**
   * Deletes in a transaction that is only committed when `record` resolves.
   *
   * @returns the number of messages deleted
   */
  clear(scope: Scope, record: (deleted: number) => Promise<unknown>): Promise<number> {
    return this.entries.manager.transaction(async (manager: EntityManager) => {
      const { affected } = await manager.delete(HistoryEntry, whereOf(scope));
      const deleted = affected ?? 0;
      await record(deleted);
      return deleted;
    });
  }
}

function whereOf({ tenantId, ghostId }: Scope): FindOptionsWhere<HistoryEntry> {
  return { ...(tenantId !== null && { tenantId }), ...(ghostId !== null && { ghostId }) };
}

function startBefore(query: SelectQueryBuilder<HistoryEntry>, { createdAt, id }: Position): void {
  if (id === null) query.andWhere('h.created_at < :createdAt', { createdAt });
  else query.andWhere('(h.created_at, h.id) < (:createdAt, :id)', { createdAt, id });
}
