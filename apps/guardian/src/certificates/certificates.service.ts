import { Injectable } from '@nestjs/common';
import { type EntityManager } from 'typeorm';
import {
  MAX_CAPABILITIES,
  type AuditRecord,
  type CertificateList,
  type CertificateQuery,
  type CertificateRevokeResponse,
  type CertificateView,
  type IssuedCertificate,
} from '#contracts';
import { ServiceError } from '#errors';
import { type CallContext } from '#http';
import { actor, actorName } from '../audit/actor.js';
import { AuditedChanges } from '../audit/audited-changes.js';
import { BadgesRepository } from '../badges/badges.repository.js';
import { Clock } from '../clock.js';
import { type KeyPair } from '../signing/key-pair.js';
import { SigningKeys } from '../signing/signing-keys.js';
import { issued, renewed, revoked } from './certificate-events.js';
import { CertificateSigner } from './certificate-signer.js';
import { judge, statusAt, type Standing } from './certificate-standing.js';
import { type Certificate } from './certificate.entity.js';
import { CertificatesRepository } from './certificates.repository.js';

/** How far the clocks of two instances may be apart. */
const MAX_CLOCK_DIFFERENCE_MS = 60_000;

interface Work {
  manager: EntityManager;
  key: KeyPair;
  newest: Standing | null;
}

@Injectable()
export class CertificatesService {
  constructor(
    private readonly certificates: CertificatesRepository,
    private readonly badges: BadgesRepository,
    private readonly keys: SigningKeys,
    private readonly signer: CertificateSigner,
    private readonly changes: AuditedChanges,
    private readonly clock: Clock,
  ) {}

  /**
   * A new certificate; those before it stay as history, this one counts.
   *
   * @param request its `ttl` in seconds; without `capabilities` it gets the agent's badges
   * @throws ServiceError conflict (`badge_limit`, `certificate_from_the_future`), unavailable
   */
  issue(
    request: { agent: string; ttl: number; capabilities?: readonly string[] | undefined },
    call: CallContext,
  ): Promise<IssuedCertificate> {
    const { agent, ttl } = request;
    return this.make(agent, async ({ manager, key, newest }) => {
      const capabilities = request.capabilities ?? (await this.badgesOf(agent, manager));
      const made = this.signer.make(key, this.issueTime(newest), agent, ttl, capabilities);
      return { made, event: issued(made, actor(call), `issued for ${ttl} seconds`) };
    });
  }

  /**
   * A new certificate with the capabilities of the newest.
   *
   * @param ttl seconds; without it, as long as the newest
   * @throws ServiceError not_found without one; conflict when the newest is revoked or not genuine; unavailable
   */
  renew(agent: string, ttl: number | undefined, call: CallContext): Promise<IssuedCertificate> {
    return this.make(agent, async ({ key, newest }) => {
      if (newest === null) throw notFound(agent);
      const judgement = judge(newest, this.signer);
      // What nobody can vouch for must not come back under a good signature.
      if (judgement !== 'good')
        throw new ServiceError(
          'conflict',
          `certificate_${judgement}`,
          `The newest certificate of '${agent}' is ${judgement}: it cannot be renewed. Issue a new one (POST /certificates)`,
        );
      const { serial, issuedAt, expiresAt, capabilities } = newest.certificate;
      const length = ttl ?? (expiresAt.getTime() - issuedAt.getTime()) / 1000;
      const made = this.signer.make(key, this.issueTime(newest), agent, length, capabilities);
      return { made, event: renewed(made, serial, actor(call)) };
    });
  }

  /** @throws ServiceError not_found when there is none to revoke */
  revoke(agent: string, serial: string | undefined, call: CallContext): Promise<CertificateRevokeResponse> {
    return this.changes.run(async (manager) => {
      await this.certificates.lock(manager, agent);
      const by = `revoked by ${actorName(call.principal)}`;
      const serials = await this.certificates.revoke(manager, agent, serial ?? null, by);
      if (serials.length === 0)
        throw notFound(agent, serial ? `certificate ${serial} to revoke` : 'certificate to revoke');
      const what = serial === undefined ? 'all certificates of the agent are' : `certificate ${serial} is`;
      return {
        result: { agent, revoked: serials.length },
        events: [revoked(agent, serials, actor(call), `${what} revoked`)],
      };
    });
  }

  /** The one that counts, with all that is needed to verify it. @throws ServiceError not_found without one */
  async current(agent: string): Promise<IssuedCertificate> {
    const newest = await this.certificates.newest(agent);
    if (newest === null) throw notFound(agent);
    return signed(newest.certificate, this.statusOf(newest));
  }

  async list(query: CertificateQuery): Promise<CertificateList> {
    const [rows, total] = await this.certificates.find(query);
    return { certificates: rows.map((row) => view(row.certificate, this.statusOf(row))), total };
  }

  /** Nobody else changes the agent's certificates meanwhile: what is renewed cannot be revoked at the same time. */
  private async make(
    agent: string,
    work: (work: Work) => Promise<{ made: Certificate; event: AuditRecord }>,
  ): Promise<IssuedCertificate> {
    const key = await this.keys.usable();
    return this.changes.run(async (manager) => {
      await this.certificates.lock(manager, agent);
      const newest = await this.certificates.newest(agent, manager);
      const { made, event } = await work({ manager, key, newest });
      await this.certificates.insert(manager, made);
      return { result: signed(made, 'valid'), events: [event] };
    });
  }

  /** Now; or just after the newest, where another instance's clock is a little ahead of this one: the last one made is to be the newest. */
  private issueTime(newest: Standing | null): Date {
    const now = this.clock.now();
    if (newest === null) return now;
    const { issuedAt, revokedAt } = newest.certificate;
    const since = Math.min(issuedAt.getTime(), revokedAt?.getTime() ?? Infinity);
    if (since < now.getTime()) return now;
    if (since - now.getTime() > MAX_CLOCK_DIFFERENCE_MS)
      throw new ServiceError(
        'conflict',
        'certificate_from_the_future',
        `The newest certificate says that it was issued at ${issuedAt.toISOString()}: a clock is wrong, or the row was changed. ` +
          `Mend the clock, or revoke that certificate first`,
      );
    return new Date(since + 1);
  }

  private async badgesOf(agent: string, manager: EntityManager): Promise<string[]> {
    const badges = await this.badges.of(agent, manager);
    if (badges.length <= MAX_CAPABILITIES) return badges.map(({ badge }) => badge);
    const detail = `'${agent}' has ${badges.length} badges, a certificate holds ${MAX_CAPABILITIES} capabilities: name those that it is to have`;
    throw new ServiceError('conflict', 'badge_limit', detail);
  }

  private statusOf(standing: Standing): CertificateView['status'] {
    return statusAt(this.clock.now(), standing.certificate, judge(standing, this.signer));
  }
}

function notFound(agent: string, which = 'certificate'): ServiceError {
  return new ServiceError('not_found', 'certificate_not_found', `Agent '${agent}' has no ${which}`);
}

function view(row: Certificate, status: CertificateView['status']): CertificateView {
  return {
    agent: row.agent,
    serial: row.serial,
    issued_at: row.issuedAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    revoked_at: row.revokedAt?.toISOString() ?? null,
    status,
    capabilities: row.capabilities,
  };
}

function signed(row: Certificate, status: CertificateView['status']): IssuedCertificate {
  const { version, statement, signature, keyId } = row;
  return { ...view(row, status), version, statement, signature, key_id: keyId };
}
