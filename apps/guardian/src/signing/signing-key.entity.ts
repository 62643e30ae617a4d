import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The public half of a key that signed certificates, then or now. */
@Entity('signing_keys')
export class SigningKey {
  /** SHA-256 of the SPKI, in hex. */
  @PrimaryColumn({ name: 'key_id', type: 'text' })
  keyId: string;

  /** SPKI, PEM. */
  @Column({ name: 'public_key', type: 'text' })
  publicKey: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt: Date;
}
