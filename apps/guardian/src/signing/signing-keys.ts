import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type EntityManager } from 'typeorm';
import { type AuditRecord } from '#contracts';
import { ServiceError } from '#errors';
import { Metrics } from '#metrics';
import { AuditedChanges } from '../audit/audited-changes.js';
import { KeyFiles } from './key-files.js';
import { type KeyPair } from './key-pair.js';
import { rotated } from './signing-key-events.js';
import { SigningKeysRepository } from './signing-keys.repository.js';

type Cause = 'requested' | 'replaced_elsewhere' | 'revoked';

export interface Rotation {
  key: KeyPair;
  /** The id of the key before. */
  previous: string;
}

/**
 * The key that this host signs with, and its replacement, in steps that may end anywhere:
 *
 * 1. the next key is written beside the one in use; until it is on record it is worth nothing, and the next replacement throws it away;
 * 2. in one transaction it is put on record and the one before it is retired; from here on the replacement has happened;
 * 3. its file is renamed into place. Should this not happen, the key in the file is retired: whoever is to sign with it next, or starts,
 *    finds the next one beside it and does this step.
 *
 * Nothing is signed with a key that is retired or revoked. A host that is left with such a one, and has no next, makes its own.
 */
@Injectable()
export class SigningKeys implements OnModuleInit {
  private readonly rotations;

  constructor(
    private readonly files: KeyFiles,
    private readonly recorded: SigningKeysRepository,
    private readonly changes: AuditedChanges,
    metrics: Metrics,
  ) {
    this.rotations = metrics.counter('guardian_key_rotations_total', 'Replacements of the signing key by cause', [
      'cause',
    ]);
  }

  async onModuleInit(): Promise<void> {
    await this.usable();
  }

  /**
   * The key to sign with now. On record, so that what it signs can be verified.
   *
   * @throws ServiceError unavailable (`signing_key_unavailable`, `audit_unavailable`) when there has to be another and cannot be
   */
  async usable(): Promise<KeyPair> {
    const key = await this.files.current();
    const row = await this.recorded.find(key.keyId);
    if (row === null) {
      await this.recorded.record(key);
      return key;
    }
    if (row.retiredAt === null && row.revokedAt === null) return key;
    const cause = row.revokedAt === null ? 'replaced_elsewhere' : 'revoked';
    const by = { metadata: { by: 'service:guardian' } };
    return (await this.replace(cause, by, `the key of this host was ${cause.replace('_', ' ')}`)).key;
  }

  /** The id of the key that this host signs with. */
  async currentId(): Promise<string> {
    return (await this.files.current()).keyId;
  }

  /** @throws ServiceError unavailable; then the key is the one before, or the new one from the next signature on */
  rotate(by: Partial<AuditRecord>): Promise<Rotation> {
    return this.replace('requested', by, 'rotated on request');
  }

  private async replace(cause: Cause, by: Partial<AuditRecord>, reason: string): Promise<Rotation> {
    const { made, ...rotation } = await this.changes.run(async (manager) => {
      await this.recorded.lock(manager);
      const left = await this.files.current();
      const current = await this.finishEarlier(manager, left);
      // Somebody else was first, and the key that there is now will do.
      if (cause !== 'requested' && (await this.isGood(manager, current.keyId)))
        return { result: { key: current, previous: left.keyId, made: false }, events: [] };
      const key = await this.files.makeNext();
      await this.recorded.record(current, manager);
      await this.recorded.retire(manager, current.keyId);
      await this.recorded.record(key, manager);
      const previous = current.keyId;
      return { result: { key, previous, made: true }, events: [rotated(key.keyId, previous, by, reason)] };
    });
    if (!made) return rotation;
    this.rotations.inc({ cause });
    await this.putInPlace(rotation.key.keyId);
    return rotation;
  }

  /** Does the last step of a replacement that got no further, and clears away what belongs to none. Under the lock. */
  private async finishEarlier(manager: EntityManager, current: KeyPair): Promise<KeyPair> {
    let isGood = await this.isGood(manager, current.keyId);
    for (const keyId of await this.files.waiting()) {
      const takesOver = !isGood && (await this.isGood(manager, keyId));
      if (takesOver) await this.putInPlace(keyId);
      else await this.files.discard(keyId);
      isGood ||= takesOver;
    }
    return this.files.current();
  }

  private async isGood(manager: EntityManager, keyId: string): Promise<boolean> {
    const row = await this.recorded.find(keyId, manager);
    return row !== null && row.retiredAt === null && row.revokedAt === null;
  }

  private async putInPlace(keyId: string): Promise<void> {
    await this.files.putInPlace(keyId).catch((cause: unknown) => {
      const detail =
        'The next signing key is on record, but its file cannot be put in place; the next certificate tries again';
      throw new ServiceError('unavailable', 'signing_key_unavailable', detail, { cause, retryAfter: 1 });
    });
  }
}
