import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Badge } from './badge.entity.js';

@Injectable()
export class BadgesRepository {
  constructor(private readonly database: DataSource) {}

  /** In order of their names. */
  of(ghostId: string, manager: EntityManager = this.database.manager): Promise<Badge[]> {
    return manager.find(Badge, { where: { ghostId }, order: { badge: 'ASC' } });
  }

  /** Until the transaction ends nobody else changes the badges of this ghost. */
  async lock(manager: EntityManager, ghostId: string): Promise<void> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('gravitas guardian badges of ' || $1, 0))`, [
      ghostId,
    ]);
  }

  /** @returns false when the ghost has it already; who granted it first stays */
  async insert(manager: EntityManager, badge: Pick<Badge, 'ghostId' | 'badge' | 'grantedBy'>): Promise<boolean> {
    const rows = await manager.query<unknown[]>(
      `INSERT INTO agent_badges (ghost_id, badge, granted_by) VALUES ($1, $2, $3)
       ON CONFLICT (ghost_id, badge) DO NOTHING RETURNING badge`,
      [badge.ghostId, badge.badge, badge.grantedBy],
    );
    return rows.length === 1;
  }

  /** @returns false when the ghost does not have it */
  async remove(manager: EntityManager, ghostId: string, badge: string): Promise<boolean> {
    const { affected } = await manager.delete(Badge, { ghostId, badge });
    return affected === 1;
  }
}
