import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Something that was measured or that happened. The indexes are the migration's: TypeORM cannot say DESC. */
@Entity('system_telemetry')
@Index('system_telemetry_time_idx', { synchronize: false })
@Index('system_telemetry_component_idx', { synchronize: false })
@Index('system_telemetry_event_type_idx', { synchronize: false })
@Index('system_telemetry_ghost_idx', { synchronize: false })
export class SystemTelemetry {
  @PrimaryColumn({ type: 'uuid', primaryKeyConstraintName: 'system_telemetry_pkey' })
  id: string;

  @Column({ type: 'timestamptz' })
  timestamp: Date;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId: string;

  @Column({ name: 'ghost_id', type: 'text', nullable: true })
  ghostId: string | null;

  @Column({ name: 'event_type', type: 'text' })
  eventType: string;

  @Column({ type: 'text', nullable: true })
  component: string | null;

  @Column({ type: 'float8', nullable: true })
  value: number | null;

  @Column({ type: 'text', nullable: true })
  status: string | null;

  @Column({ type: 'jsonb' })
  metadata: Record<string, unknown>;
}
