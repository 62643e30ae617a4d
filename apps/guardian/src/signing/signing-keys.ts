import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { type DataSource, type Repository } from 'typeorm';
import { type Logger } from '#logging';
import { openSigningKey } from './signing-key-file.js';
import { SigningKey } from './signing-key.entity.js';

/**
 * Signs with the key of this instance, and verifies with any key that is on record.
 * A recorded key counts only if its id is the digest of the key: nobody can put another key behind an id.
 */
export class SigningKeys {
  private readonly verified = new Map<string, KeyObject>();

  private constructor(
    readonly keyId: string,
    private readonly privateKey: KeyObject,
    private readonly recorded: Repository<SigningKey>,
  ) {}

  /**
   * Reads or makes the key file and puts the public half on record.
   *
   * @throws ConfigError naming the file
   */
  static async open(path: string, database: DataSource, logger: Logger): Promise<SigningKeys> {
    const { privateKey, exposed } = await openSigningKey(path);
    if (exposed) logger.warn({ path }, 'others can read the signing key and make certificates; chmod 600 it');
    const publicKey = createPublicKey(privateKey);
    const keyId = keyIdOf(publicKey);
    const recorded = database.getRepository(SigningKey);
    const row = { keyId, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
    await recorded.createQueryBuilder().insert().values(row).orIgnore().execute();
    logger.info({ key_id: keyId, path }, 'signing key loaded');
    return new SigningKeys(keyId, privateKey, recorded);
  }

  /** @returns the Ed25519 signature over the text's UTF-8 bytes, base64url */
  sign(text: string): string {
    return sign(null, Buffer.from(text), this.privateKey).toString('base64url');
  }

  async verify(keyId: string, text: string, signature: string): Promise<boolean> {
    const key = this.verified.get(keyId) ?? (await this.load(keyId));
    return key !== undefined && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'));
  }

  private async load(keyId: string): Promise<KeyObject | undefined> {
    const row = await this.recorded.findOneBy({ keyId });
    const key = row === null ? undefined : parse(row.publicKey);
    if (key === undefined || keyIdOf(key) !== keyId) return undefined;
    this.verified.set(keyId, key);
    return key;
  }
}

function parse(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}

function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}
