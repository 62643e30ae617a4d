import { createHash } from 'node:crypto';
import { importJWK, type JWK } from 'jose';
import { z } from 'zod';
import { type Algorithm } from './token-form.js';

export type AsymmetricAlgorithm = Exclude<Algorithm, 'HS256'>;

const MAX_KEYS = 100;
const RSA_BITS = { min: 2048, max: 8192 };
/** Parts of private and of symmetric keys (RFC 7518, section 6). */
const SECRET_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** RFC 7517, section 5. What its entries are is looked at one by one: a strange one must not cost the others. */
const jwks = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(MAX_KEYS) });

const part = z.string().max(2048);
const about = z.object({
  kid: z.string().max(200).optional(),
  alg: z.string().optional(),
  use: z.literal('sig', 'is not sig').optional(),
  key_ops: z
    .array(z.string())
    .refine((uses) => uses.includes('verify'), 'is not verify')
    .optional(),
});
const material = z.discriminatedUnion('kty', [
  z.object({ kty: z.literal('RSA'), n: part, e: part }),
  z.object({ kty: z.literal('EC'), crv: z.literal('P-256', 'is not P-256'), x: part, y: part }),
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519', 'is not Ed25519'), x: part }),
]);

/** The one algorithm that each kind of key is used with, and what a key set may call it (RFC 9864 renames EdDSA). */
const ALGORITHM = {
  RSA: { is: 'RS256', called: ['RS256'] },
  EC: { is: 'ES256', called: ['ES256'] },
  OKP: { is: 'EdDSA', called: ['EdDSA', 'Ed25519'] },
} as const satisfies Record<string, { is: AsymmetricAlgorithm; called: string[] }>;

interface NamedKey {
  kid: string | undefined;
  key: CryptoKey;
}

/** An identity provider's public keys, as far as they are of use here. */
export class KeySet {
  /** Equal for sets with the same keys of the same names. */
  readonly fingerprint: string;

  private constructor(
    private readonly keys: ReadonlyMap<AsymmetricAlgorithm, NamedKey[]>,
    accepted: readonly string[],
    /** Entries that are not used, each with the reason. */
    readonly ignored: readonly string[],
  ) {
    this.fingerprint = createHash('sha256')
      .update(JSON.stringify([...accepted].sort()))
      .digest('hex');
  }

  /** @throws Error when it is no key set at all */
  static async parse(text: string): Promise<KeySet> {
    const entries = jwks.parse(JSON.parse(text)).keys;
    const keys = new Map<AsymmetricAlgorithm, NamedKey[]>();
    const accepted: string[] = [];
    const ignored: string[] = [];
    for (const [index, entry] of entries.entries()) {
      try {
        const { alg, kid, jwk, key } = await importKey(entry);
        const named = keys.get(alg) ?? [];
        if (named.some((other) => other.kid === kid)) throw new Error('another key has its name');
        keys.set(alg, [...named, { kid, key }]);
        accepted.push(JSON.stringify([alg, kid, jwk]));
      } catch (error) {
        ignored.push(`${nameOf(entry, index)}: ${reasonOf(error)}`);
      }
    }
    return new KeySet(keys, accepted, ignored);
  }

  get size(): number {
    return [...this.keys.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** The key of that name. A token that names none is given one only where there is no choice. */
  find(alg: AsymmetricAlgorithm, kid: string | undefined): CryptoKey | undefined {
    const keys = this.keys.get(alg) ?? [];
    if (kid !== undefined) return keys.find((key) => key.kid === kid)?.key;
    return keys.length === 1 ? keys[0]?.key : undefined;
  }
}

async function importKey(entry: Record<string, unknown>) {
  const secret = SECRET_PARTS.find((member) => Object.hasOwn(entry, member));
  if (secret) throw new Error(`it has ${secret}, which no public key has`);
  const { kid, alg } = about.parse(entry);
  const jwk = material.parse(entry);
  const { is, called } = ALGORITHM[jwk.kty];
  if (alg !== undefined && !(called as readonly string[]).includes(alg)) throw new Error(`its alg is not ${is}`);
  const key = (await importJWK(jwk as JWK, is)) as CryptoKey;
  const bits = (key.algorithm as { modulusLength?: number }).modulusLength;
  if (bits !== undefined && (bits < RSA_BITS.min || bits > RSA_BITS.max))
    throw new Error(`it has ${bits} bits, not ${RSA_BITS.min} to ${RSA_BITS.max}`);
  return { kid, alg: is, jwk, key };
}

function nameOf({ kid }: Record<string, unknown>, index: number): string {
  return typeof kid === 'string' ? `key ${JSON.stringify(kid.slice(0, 50))}` : `key ${index + 1} of the list`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof z.ZodError)) return (error as Error).message;
  const [issue] = error.issues;
  return `its ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not valid'}`;
}
