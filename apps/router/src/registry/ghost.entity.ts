import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { Shell } from './shell.entity.js';

/** An agent's lasting identity, and the shells it runs on. */
@Entity('ghosts')
export class Ghost {
  @PrimaryColumn({ type: 'text', primaryKeyConstraintName: 'ghosts_pkey' })
  name: string;

  @Column({ type: 'integer' })
  position: number;

  @ForeignKey(() => Shell, 'name', { name: 'ghosts_preferred_shell_fkey' })
  @Column({ name: 'preferred_shell', type: 'text' })
  preferredShell: string;

  @Column({ type: 'jsonb' })
  fallbacks: string[];

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt: Date;

  /** When it left the file; null while it is in force. */
  @Column({ name: 'retired_at', type: 'timestamptz', nullable: true })
  retiredAt: Date | null;
}
