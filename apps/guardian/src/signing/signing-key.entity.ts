import { Check, Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The public half of a key that signed certificates, then or now. */
@Entity('signing_keys')
@Check('signing_keys_revoked_check', '(revoked_at IS NULL) = (revoked_reason IS NULL)')
export class SigningKey {
  /** SHA-256 of the SPKI, in hex. */
  @PrimaryColumn({ name: 'key_id', type: 'text' })
  keyId: string;

  /** SPKI, PEM. */
  @Column({ name: 'public_key', type: 'text' })
  publicKey: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt: Date;

  /** Another key has taken its place: it signs nothing any more, and what it signed holds. */
  @Column({ name: 'retired_at', type: 'timestamptz', precision: 3, nullable: true })
  retiredAt: Date | null;

  /** It may be in other hands: what it signed does not hold. */
  @Column({ name: 'revoked_at', type: 'timestamptz', precision: 3, nullable: true })
  revokedAt: Date | null;

  @Column({ name: 'revoked_reason', type: 'text', nullable: true })
  revokedReason: string | null;
}
