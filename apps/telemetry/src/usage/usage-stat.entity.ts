import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** One model call and what it cost. Numbers that a double cannot hold exactly are text here. */
@Entity('usage_stats')
@Index('usage_stats_time_idx', { synchronize: false })
@Index('usage_stats_ghost_idx', { synchronize: false })
export class UsageStat {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'usage_stats_pkey' })
  id: string;

  @Column({ type: 'timestamptz' })
  timestamp: Date;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId: string;

  @Column({ name: 'ghost_id', type: 'text' })
  ghostId: string;

  @Column({ type: 'text' })
  model: string;

  @Column({ type: 'text' })
  provider: string;

  @Column({ type: 'text' })
  tier: string;

  @Column({ name: 'tokens_in', type: 'bigint' })
  tokensIn: string;

  @Column({ name: 'tokens_out', type: 'bigint' })
  tokensOut: string;

  @Column({ name: 'cost_usd', type: 'numeric', precision: 20, scale: 10 })
  costUsd: string;

  @Column({ name: 'latency_ms', type: 'float8' })
  latencyMs: number;

  @Column({ type: 'text' })
  outcome: string;

  @Column({ name: 'session_id', type: 'text', nullable: true })
  sessionId: string | null;
}
