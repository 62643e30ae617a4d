import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { type Revocation, type RevocationKind } from './revocation-list.js';

/** `NOTIFY`, in the transaction of each change. */
export const REVOCATIONS_CHANNEL = 'gravitas_revoked_tokens';
const PAGE = 10_000;

export interface NewRevocation extends Omit<Revocation, 'revokedAt'> {
  revokedBy: string;
  reason: string;
  /** Seconds until no token can be meant any more; null: never. */
  keepSeconds: number | null;
}

export interface StoredRevocation extends Revocation {
  revokedBy: string;
  reason: string;
  expiresAt: Date | null;
}

interface Row {
  tenant_id: string;
  kind: RevocationKind;
  value: string;
  revoked_at: Date;
  revoked_by: string;
  reason: string;
  expires_at: Date | null;
  /** A bigint comes back as text. */
  revision: string;
}

const COLUMNS = 'tenant_id, kind, value, revoked_at, revoked_by, reason, expires_at, revision';

/** The table `revoked_tokens`. Each change has a revision, and becomes visible in the order of these: writers take turns. */
@Injectable()
export class RevocationsRepository {
  constructor(private readonly database: DataSource) {}

  /**
   * Revoking the same again moves the time of a ghost's revocation to now, so that tokens issued meanwhile are meant too, and changes
   * nothing for a token's. The lock is held until the transaction ends.
   */
  async revoke(manager: EntityManager, revocation: NewRevocation): Promise<StoredRevocation> {
    const { tenantId, kind, value, revokedBy, reason, keepSeconds } = revocation;
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('gravitas revoked tokens'))`);
    const rows = await manager.query<Row[]>(
      `INSERT INTO revoked_tokens AS old (tenant_id, kind, value, revoked_at, revoked_by, reason, expires_at, revision)
       VALUES ($1, $2, $3, clock_timestamp(), $4, $5, clock_timestamp() + $6::integer * interval '1 second',
               nextval('revoked_tokens_revision'))
       ON CONFLICT (tenant_id, kind, value) DO UPDATE SET
         revoked_at = CASE old.kind WHEN 'ghost' THEN excluded.revoked_at ELSE old.revoked_at END,
         revoked_by = CASE old.kind WHEN 'ghost' THEN excluded.revoked_by ELSE old.revoked_by END,
         reason = CASE old.kind WHEN 'ghost' THEN excluded.reason ELSE old.reason END,
         expires_at = greatest(old.expires_at, excluded.expires_at),
         revision = excluded.revision
       RETURNING ${COLUMNS}`,
      [tenantId, kind, value, revokedBy, reason, keepSeconds],
    );
    await manager.query(`SELECT pg_notify($1, '')`, [REVOCATIONS_CHANNEL]);
    return toRevocation(rows[0] as Row);
  }

  /** What changed after that revision, oldest first; from 0 on: all that there is. */
  async since(revision: string): Promise<{ revocations: StoredRevocation[]; revision: string }> {
    const revocations: StoredRevocation[] = [];
    for (let last = revision; ;) {
      const rows = await this.database.query<Row[]>(
        `SELECT ${COLUMNS} FROM revoked_tokens WHERE revision > $1 ORDER BY revision LIMIT ${PAGE}`,
        [last],
      );
      for (const row of rows) revocations.push(toRevocation(row));
      last = rows.at(-1)?.revision ?? last;
      if (rows.length < PAGE) return { revocations, revision: last };
    }
  }

  /** Newest first. A tenant of null means all of them. */
  async find(tenantId: string | null, limit: number): Promise<StoredRevocation[]> {
    const rows = await this.database.query<Row[]>(
      `SELECT ${COLUMNS} FROM revoked_tokens WHERE $1::text IS NULL OR tenant_id = $1
       ORDER BY revoked_at DESC, revision DESC LIMIT $2`,
      [tenantId, limit],
    );
    return rows.map(toRevocation);
  }

  /** Removes what means no token any more. */
  async removeExpired(): Promise<void> {
    await this.database.query('DELETE FROM revoked_tokens WHERE expires_at < now()');
  }
}

function toRevocation(row: Row): StoredRevocation {
  return {
    tenantId: row.tenant_id,
    kind: row.kind,
    value: row.value,
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
    reason: row.reason,
    expiresAt: row.expires_at,
  };
}
