import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What became of one request. `candidates` are those that were passed over, each with the reason, in order. The indexes are the migration's. */
@Entity('routing_decisions')
@Index('routing_decisions_time_idx', { synchronize: false })
@Index('routing_decisions_ghost_idx', { synchronize: false })
@Check('routing_decisions_outcome_check', `outcome IN ('succeeded', 'failed', 'cancelled', 'refused')`)
export class RoutingDecision {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'routing_decisions_pkey' })
  id: string;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'request_id', type: 'text' })
  requestId: string;

  @Column({ name: 'session_id', type: 'text' })
  sessionId: string;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId: string;

  @Column({ name: 'ghost_id', type: 'text', nullable: true })
  ghostId: string | null;

  @Column({ name: 'requested_model', type: 'text' })
  requestedModel: string;

  /** The shell that was called last; null when none was. */
  @Column({ type: 'text', nullable: true })
  shell: string | null;

  @Column({ type: 'text', nullable: true })
  tier: string | null;

  @Column({ type: 'text', nullable: true })
  provider: string | null;

  @Column({ type: 'double precision' })
  complexity: number;

  @Column({ type: 'text' })
  priority: string;

  @Column({ type: 'boolean' })
  stream: boolean;

  @Column({ type: 'jsonb' })
  candidates: object[];

  @Column({ type: 'text' })
  outcome: string;

  @Column({ name: 'error_code', type: 'text', nullable: true })
  errorCode: string | null;

  @Column({ name: 'latency_ms', type: 'double precision' })
  latencyMs: number;

  @Column({ name: 'tokens_in', type: 'integer' })
  tokensIn: number;

  @Column({ name: 'tokens_out', type: 'integer' })
  tokensOut: number;
}
