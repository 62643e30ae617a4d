import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';
import { expectArgument, malformed } from '../errors.js';
import { fromBase64 } from './base64.js';
import { checkKeyName, isKeyName } from './key-name.js';

/**
 * Ed25519 keys as C2SP signed-note writes them: a name, a key id (the first four bytes of SHA-256(name || "\n" || type || public key)),
 * and what they are for: 1 signs a note's text, 4 cosigns a checkpoint at a time (C2SP tlog-cosignature).
 */
export const ED25519 = 1;
export const COSIGNATURE = 4;
export type KeyType = typeof ED25519 | typeof COSIGNATURE;

export const PUBLIC_KEY_BYTES = 32;
const SEED_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
/** DER up to the key itself (RFC 8410): SubjectPublicKeyInfo, and PKCS #8. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

const MAX_KEY_TEXT = 4000;
const VERIFIER_KEY = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/;
const SIGNER_KEY = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/;

/** A public key: what it takes to believe a signature. */
export class NoteVerifier {
  /** Eight hexadecimal digits. */
  readonly keyId: string;
  private readonly key: KeyObject;

  /** @param publicKey the 32 bytes of RFC 8032 */
  constructor(
    readonly name: string,
    readonly publicKey: Uint8Array,
    readonly type: KeyType = ED25519,
  ) {
    checkKeyName(name);
    expectArgument(publicKey.length === PUBLIC_KEY_BYTES, 'an Ed25519 public key has 32 bytes');
    this.keyId = keyIdOf(name, type, publicKey);
    this.key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
  }

  /** Reads `name+keyid+base64(type || public key)`. @throws TlogError tlog_malformed */
  static parse(text: string): NoteVerifier {
    const { name, id, type, key } = parseKey(VERIFIER_KEY, text, 'verifier key');
    const verifier = new NoteVerifier(name, key, type);
    if (verifier.keyId !== id) throw malformed('verifier key: the key id is not that of its name and key');
    return verifier;
  }

  /** The same key under another name, such as that of one tenant's log. */
  named(name: string): NoteVerifier {
    return new NoteVerifier(name, this.publicKey, this.type);
  }

  /** Whether `signature`, without the key id, is this key's on that text. */
  verify(text: string, signature: Uint8Array): boolean {
    if (this.type === ED25519) return signature.length === SIGNATURE_BYTES && this.check(text, signature);
    const time = cosignatureTime(signature);
    return time !== undefined && this.check(cosignedMessage(time, text), signature.subarray(TIME_BYTES));
  }

  toString(): string {
    return `${this.name}+${this.keyId}+${Buffer.concat([Buffer.from([this.type]), this.publicKey]).toString('base64')}`;
  }

  private check(message: string, signature: Uint8Array): boolean {
    return verify(null, Buffer.from(message), this.key, signature);
  }
}

/** A private key. Whoever has it speaks for the log: it is never logged, nor sent. */
export class NoteSigner {
  readonly verifier: NoteVerifier;
  readonly #seed: Buffer;
  readonly #key: KeyObject;
  readonly #now: () => number;

  /**
   * @param seed the 32 bytes of RFC 8032
   * @param now milliseconds since 1970, for cosignatures
   */
  constructor(name: string, seed: Uint8Array, type: KeyType = ED25519, now: () => number = Date.now) {
    expectArgument(seed.length === SEED_BYTES, 'an Ed25519 seed has 32 bytes');
    this.#seed = Buffer.from(seed);
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
    this.verifier = new NoteVerifier(name, spki.subarray(SPKI.length), type);
    this.#now = now;
  }

  /** Reads `PRIVATE+KEY+name+keyid+base64(type || seed)`, as Go's note package writes it. @throws TlogError tlog_malformed */
  static parse(text: string, now?: () => number): NoteSigner {
    const { name, id, type, key } = parseKey(SIGNER_KEY, text, 'signer key');
    const signer = new NoteSigner(name, key, type, now);
    if (signer.keyId !== id) throw malformed('signer key: the key id is not that of its name and key');
    return signer;
  }

  get name(): string {
    return this.verifier.name;
  }

  get keyId(): string {
    return this.verifier.keyId;
  }

  /** The same key under another name, such as that of one tenant's log. */
  named(name: string): NoteSigner {
    return new NoteSigner(name, this.#seed, this.verifier.type, this.#now);
  }

  /** The signature, without the key id. */
  sign(text: string): Buffer {
    if (this.verifier.type === ED25519) return sign(null, Buffer.from(text), this.#key);
    const time = Math.floor(this.#now() / 1000);
    const prefix = Buffer.alloc(TIME_BYTES);
    prefix.writeBigUInt64BE(BigInt(time));
    return Buffer.concat([prefix, sign(null, Buffer.from(cosignedMessage(time, text)), this.#key)]);
  }

  /** The secret, in the form that `parse` reads. */
  exportSecret(): string {
    const key = Buffer.concat([Buffer.from([this.verifier.type]), this.#seed]);
    return `PRIVATE+KEY+${this.name}+${this.keyId}+${key.toString('base64')}`;
  }
}

/** When a cosignature was made, in seconds since 1970; undefined when it is not of that form. */
export function cosignatureTime(signature: Uint8Array): number | undefined {
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined;
  const time = Buffer.from(signature.subarray(0, TIME_BYTES)).readBigUInt64BE();
  return time <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(time) : undefined;
}

function cosignedMessage(time: number, text: string): string {
  return `cosignature/v1\ntime ${time}\n${text}`;
}

function keyIdOf(name: string, type: KeyType, publicKey: Uint8Array): string {
  const digest = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([type]), publicKey]), 'buffer');
  return digest.toString('hex', 0, 4);
}

function parseKey(form: RegExp, text: string, what: string): { name: string; id: string; type: KeyType; key: Buffer } {
  const [, name = '', id = '', encoded = ''] = (text.length <= MAX_KEY_TEXT && form.exec(text)) || [];
  if (!isKeyName(name)) throw malformed(`${what}: expected name+keyid+base64`);
  const bytes = fromBase64(encoded, what);
  const type = bytes[0];
  if (type !== ED25519 && type !== COSIGNATURE)
    throw malformed(`${what}: type ${type} is not known here; 1 (Ed25519) and 4 (cosignature) are`);
  return { name, id, type, key: bytes.subarray(1) };
}
