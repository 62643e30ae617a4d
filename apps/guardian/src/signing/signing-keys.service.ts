import { Injectable } from '@nestjs/common';
import {
  type SigningKeyList,
  type SigningKeyQuery,
  type SigningKeyRevokeResponse,
  type SigningKeyRotateResponse,
  type SigningKeyView,
} from '#contracts';
import { ServiceError } from '#errors';
import { type CallContext } from '#http';
import { actor } from '../audit/actor.js';
import { AuditedChanges } from '../audit/audited-changes.js';
import { Clock } from '../clock.js';
import { keyRevoked } from './signing-key-events.js';
import { type SigningKey } from './signing-key.entity.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { SigningKeys } from './signing-keys.js';

@Injectable()
export class SigningKeysService {
  constructor(
    private readonly keys: SigningKeys,
    private readonly recorded: SigningKeysRepository,
    private readonly changes: AuditedChanges,
    private readonly clock: Clock,
  ) {}

  async list({ limit }: SigningKeyQuery): Promise<SigningKeyList> {
    const [rows, total] = await this.recorded.list(limit);
    const current = await this.keys.currentId();
    return { keys: rows.map((row) => view(row, current)), total };
  }

  /** @throws ServiceError unavailable */
  async rotate(call: CallContext): Promise<SigningKeyRotateResponse> {
    const { key, previous } = await this.keys.rotate(actor(call));
    const row = await this.find(key.keyId);
    return { ...view(row, await this.keys.currentId()), previous_key_id: previous };
  }

  /** From now on what the key signed is refused. The first revocation stays. @throws ServiceError not_found, unavailable */
  async revoke(keyId: string, reason: string, call: CallContext): Promise<SigningKeyRevokeResponse> {
    const certificates = await this.changes.run(async (manager) => {
      await this.recorded.lock(manager);
      const affected = await this.recorded.certificatesOf(manager, keyId, this.clock.now());
      const first = await this.recorded.revoke(manager, keyId, reason);
      return { result: affected, events: first ? [keyRevoked(keyId, affected, actor(call), reason)] : [] };
    });
    const row = await this.find(keyId);
    return { ...view(row, await this.keys.currentId()), reason: row.revokedReason ?? reason, certificates };
  }

  private async find(keyId: string): Promise<SigningKey> {
    const row = await this.recorded.find(keyId);
    if (row === null) throw new ServiceError('not_found', 'signing_key_not_found', `There is no signing key ${keyId}`);
    return row;
  }
}

/** @param current the id of the key in this host's file */
function view(row: SigningKey, current: string): SigningKeyView {
  return {
    key_id: row.keyId,
    public_key: row.publicKey,
    created_at: row.createdAt.toISOString(),
    retired_at: row.retiredAt?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
    // In its place, but nothing will be signed with it: the next one is made first.
    current: row.keyId === current && row.retiredAt === null && row.revokedAt === null,
  };
}
