import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A named capability of a ghost. */
@Entity('agent_badges')
export class Badge {
  @PrimaryColumn({ name: 'ghost_id', type: 'text' })
  ghostId: string;

  @PrimaryColumn({ type: 'text' })
  badge: string;

  @Column({ name: 'granted_at', type: 'timestamptz', precision: 3, default: () => 'now()' })
  grantedAt: Date;

  /** An agent, or `service:<name>`. */
  @Column({ name: 'granted_by', type: 'text' })
  grantedBy: string;
}
