import { Injectable } from '@nestjs/common';
import { DataSource, IsNull, type EntityManager } from 'typeorm';
import { type CertificateQuery } from '#contracts';
import { Certificate } from './certificate.entity.js';

const NEWEST_FIRST = { issuedAt: 'DESC', serial: 'DESC' } as const;

@Injectable()
export class CertificatesRepository {
  constructor(private readonly database: DataSource) {}

  /** The one that counts: the newest of an agent's certificates that is not revoked, whatever else is wrong with it. */
  newest(agent: string): Promise<Certificate | null> {
    return this.database
      .getRepository(Certificate)
      .findOne({ where: { agent, revokedAt: IsNull() }, order: NEWEST_FIRST });
  }

  /** Newest first, with the number of all that match. */
  find({ agent, limit }: CertificateQuery): Promise<[Certificate[], number]> {
    return this.database
      .getRepository(Certificate)
      .findAndCount({ where: agent === undefined ? {} : { agent }, order: NEWEST_FIRST, take: limit });
  }

  async insert(manager: EntityManager, certificate: Certificate): Promise<void> {
    await manager.insert(Certificate, certificate);
  }

  /** Revokes all at once, so that no older one comes back to life. @returns the serials of those that were not revoked yet */
  async revokeAll(manager: EntityManager, agent: string, reason: string): Promise<string[]> {
    const [rows] = await manager.query<[{ serial: string }[], number]>(
      `UPDATE certificates SET revoked_at = now(), revoked_reason = $2
       WHERE agent = $1 AND revoked_at IS NULL RETURNING serial`,
      [agent, reason],
    );
    return rows.map((row) => row.serial);
  }

  /**
   * Those of the agents that never had a certificate, not even one that is revoked by now. Holds a lock until the transaction
   * ends, so that instances that boot together take turns.
   */
  async withoutAny(manager: EntityManager, agents: readonly string[]): Promise<string[]> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('gravitas default certificates'))`);
    const rows = await manager.query<{ agent: string }[]>(
      `SELECT agent FROM unnest($1::text[]) WITH ORDINALITY AS wanted (agent, position)
       WHERE NOT EXISTS (SELECT FROM certificates WHERE certificates.agent = wanted.agent) ORDER BY position`,
      [agents],
    );
    return rows.map((row) => row.agent);
  }
}
