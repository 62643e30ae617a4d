import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { type SESSION_OUTCOMES } from '#contracts';

/** `abandoned`: nobody ended it, and nothing was heard of it for too long. */
export type SessionOutcome = (typeof SESSION_OUTCOMES)[number] | 'abandoned';

/** A piece of work that an agent does, from start to end. Without an end it is active. */
@Entity('agent_sessions')
@Check('agent_sessions_outcome_check', `outcome IN ('succeeded', 'failed', 'cancelled', 'abandoned')`)
@Check('agent_sessions_end_check', '(ended_at IS NULL) = (outcome IS NULL)')
@Index('agent_sessions_agent_idx', { synchronize: false })
@Index('agent_sessions_active_idx', { synchronize: false })
export class Session {
  @PrimaryColumn({ name: 'session_id', type: 'text' })
  sessionId: string;

  @Column({ type: 'text' })
  agent: string;

  @Column({ name: 'started_at', type: 'timestamptz', default: () => 'now()' })
  startedAt: Date;

  /** Its start, or the last heartbeat. */
  @Column({ name: 'last_seen_at', type: 'timestamptz', default: () => 'now()' })
  lastSeenAt: Date;

  /** The agent itself, or `service:<name>`. */
  @Column({ name: 'started_by', type: 'text' })
  startedBy: string;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt: Date | null;

  @Column({ type: 'text', nullable: true })
  outcome: SessionOutcome | null;

  @Column({ name: 'output_file', type: 'text', nullable: true })
  outputFile: string | null;

  @Column({ type: 'jsonb' })
  metadata: Record<string, unknown>;
}
