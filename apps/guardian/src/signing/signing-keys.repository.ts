import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { type KeyPair } from './key-pair.js';
import { SigningKey } from './signing-key.entity.js';

@Injectable()
export class SigningKeysRepository {
  constructor(private readonly database: DataSource) {}

  find(keyId: string, manager: EntityManager = this.database.manager): Promise<SigningKey | null> {
    return manager.findOneBy(SigningKey, { keyId });
  }

  /** Newest first, with the number of all. */
  list(limit: number): Promise<[SigningKey[], number]> {
    const order = { createdAt: 'DESC', keyId: 'DESC' } as const;
    return this.database.getRepository(SigningKey).findAndCount({ order, take: limit });
  }

  /** Until the transaction ends nobody else replaces or revokes a key. */
  async lock(manager: EntityManager): Promise<void> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('gravitas guardian signing keys', 0))`);
  }

  /** Puts the public half on record, unless it is. */
  async record({ keyId, publicKey }: KeyPair, manager: EntityManager = this.database.manager): Promise<void> {
    await manager.createQueryBuilder().insert().into(SigningKey).values({ keyId, publicKey }).orIgnore().execute();
  }

  async retire(manager: EntityManager, keyId: string): Promise<void> {
    await manager.query('UPDATE signing_keys SET retired_at = now() WHERE key_id = $1 AND retired_at IS NULL', [keyId]);
  }

  /** @returns false when it is revoked already; the first reason stays */
  async revoke(manager: EntityManager, keyId: string, reason: string): Promise<boolean> {
    const { affected } = await manager
      .createQueryBuilder()
      .update(SigningKey)
      .set({ revokedAt: () => 'now()', revokedReason: reason })
      .where('key_id = :keyId AND revoked_at IS NULL', { keyId })
      .execute();
    return affected === 1;
  }

  /** How many certificates of the key would hold if it were not revoked. */
  async certificatesOf(manager: EntityManager, keyId: string, now: Date): Promise<number> {
    const [row] = await manager.query<[{ count: number }]>(
      `SELECT count(*)::int AS count FROM certificates WHERE key_id = $1 AND revoked_at IS NULL AND expires_at > $2`,
      [keyId, now],
    );
    return row.count;
  }
}
