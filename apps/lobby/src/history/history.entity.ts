import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { type HistoryMessage } from '#contracts';

/** One message of a conversation. The indexes are the migration's: TypeORM cannot say DESC. */
@Entity('history')
@Check('history_role_check', `role IN ('user', 'assistant')`)
@Check('history_status_check', `status IN ('complete', 'partial')`)
@Index('history_ghost_idx', { synchronize: false })
@Index('history_time_idx', { synchronize: false })
export class HistoryEntry {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'history_pkey' })
  id: string;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId: string;

  @Column({ name: 'ghost_id', type: 'text' })
  ghostId: string;

  @Column({ name: 'session_id', type: 'text', nullable: true })
  sessionId: string | null;

  @Column({ name: 'request_id', type: 'text', nullable: true })
  requestId: string | null;

  @Column({ type: 'text' })
  role: HistoryMessage['role'];

  @Column({ type: 'text' })
  content: string;

  /** The message is longer than what is kept of it. */
  @Column({ type: 'boolean' })
  truncated: boolean;

  @Column({ type: 'text', nullable: true })
  model: string | null;

  @Column({ type: 'text' })
  status: HistoryMessage['status'];

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;
}
