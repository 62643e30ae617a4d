import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Badge } from './badge.entity.js';

@Injectable()
export class BadgesRepository {
  constructor(private readonly database: DataSource) {}

  /** In order of their names. */
  of(ghostId: string): Promise<Badge[]> {
    return this.database.getRepository(Badge).find({ where: { ghostId }, order: { badge: 'ASC' } });
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
