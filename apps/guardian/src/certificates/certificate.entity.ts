import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { SigningKey } from '../signing/signing-key.entity.js';

/** The signed statement that an agent may run, from issue to expiry. The other columns repeat it, for queries. */
@Entity('certificates')
@Check('certificates_time_check', 'expires_at > issued_at')
@Check('certificates_revoked_check', '(revoked_at IS NULL) = (revoked_reason IS NULL)')
@Index('certificates_agent_idx', { synchronize: false })
@Index('certificates_counts_idx', { synchronize: false })
@Index('certificates_time_idx', { synchronize: false })
export class Certificate {
  @PrimaryColumn({ type: 'uuid' })
  serial: string;

  @Column({ type: 'text' })
  agent: string;

  @Column({ name: 'issued_at', type: 'timestamptz', precision: 3 })
  issuedAt: Date;

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3 })
  expiresAt: Date;

  @Column({ type: 'integer' })
  version: number;

  @Column({ type: 'text', array: true })
  capabilities: string[];

  /** The exact text that was signed. */
  @Column({ type: 'text' })
  statement: string;

  /** Ed25519, base64url. */
  @Column({ type: 'text' })
  signature: string;

  @ForeignKey(() => SigningKey, 'keyId', { name: 'certificates_key_fkey' })
  @Column({ name: 'key_id', type: 'text' })
  keyId: string;

  @Column({ name: 'revoked_at', type: 'timestamptz', precision: 3, nullable: true })
  revokedAt: Date | null;

  @Column({ name: 'revoked_reason', type: 'text', nullable: true })
  revokedReason: string | null;
}
