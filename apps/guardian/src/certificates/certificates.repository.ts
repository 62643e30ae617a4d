import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { type CertificateQuery } from '#contracts';
import { type Standing } from './certificate-standing.js';
import { Certificate } from './certificate.entity.js';

interface Row {
  serial: string;
  agent: string;
  issued_at: Date;
  expires_at: Date;
  version: number;
  capabilities: string[];
  statement: string;
  signature: string;
  key_id: string;
  revoked_at: Date | null;
  revoked_reason: string | null;
  public_key: string | null;
  key_revoked_at: Date | null;
}

const WITH_KEYS = `
  SELECT c.*, k.public_key, k.revoked_at AS key_revoked_at FROM certificates c LEFT JOIN signing_keys k USING (key_id)`;
const NEWEST = `${WITH_KEYS} WHERE c.agent = $1 ORDER BY LEAST(c.issued_at, c.revoked_at) DESC, c.serial DESC LIMIT 1`;
/** $1: the agent, or null for all. */
const NEWEST_FIRST = `${WITH_KEYS}
  WHERE $1::text IS NULL OR c.agent = $1 ORDER BY c.issued_at DESC, c.serial DESC LIMIT $2`;

@Injectable()
export class CertificatesRepository {
  constructor(private readonly database: DataSource) {}

  /**
   * The one that counts: the newest of an agent's certificates, whatever is wrong with it. An older one never stands in for it. Nothing
   * is newer than its revocation, whatever it says of its issue.
   */
  async newest(agent: string, manager: EntityManager = this.database.manager): Promise<Standing | null> {
    const [row] = await manager.query<Row[]>(NEWEST, [agent]);
    return row === undefined ? null : standing(row);
  }

  /** Newest first, with the number of all that match. */
  async find({ agent, limit }: CertificateQuery): Promise<[Standing[], number]> {
    const rows = await this.database.query<Row[]>(NEWEST_FIRST, [agent ?? null, limit]);
    const total = await this.database.getRepository(Certificate).count({ where: agent === undefined ? {} : { agent } });
    return [rows.map(standing), total];
  }

  /** Until the transaction ends nobody else issues, renews or revokes a certificate of this agent. */
  async lock(manager: EntityManager, agent: string): Promise<void> {
    await manager.query(
      `SELECT pg_advisory_xact_lock(hashtextextended('gravitas guardian certificates of ' || $1, 0))`,
      [agent],
    );
  }

  async insert(manager: EntityManager, certificate: Certificate): Promise<void> {
    await manager.insert(Certificate, certificate);
  }

  /** @param serial null for all @returns the serials of those that were not revoked yet */
  async revoke(manager: EntityManager, agent: string, serial: string | null, reason: string): Promise<string[]> {
    const [rows] = await manager.query<[{ serial: string }[], number]>(
      `UPDATE certificates SET revoked_at = now(), revoked_reason = $3
       WHERE agent = $1 AND ($2::uuid IS NULL OR serial = $2) AND revoked_at IS NULL RETURNING serial`,
      [agent, serial, reason],
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

function standing(row: Row): Standing {
  return {
    certificate: {
      serial: row.serial,
      agent: row.agent,
      issuedAt: row.issued_at,
      expiresAt: row.expires_at,
      version: row.version,
      capabilities: row.capabilities,
      statement: row.statement,
      signature: row.signature,
      keyId: row.key_id,
      revokedAt: row.revoked_at,
      revokedReason: row.revoked_reason,
    },
    publicKey: row.public_key,
    keyRevokedAt: row.key_revoked_at,
  };
}
