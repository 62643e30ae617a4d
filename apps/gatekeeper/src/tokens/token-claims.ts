import { z } from 'zod';
import { name, text } from '#contracts';
import { TokenError } from './token-error.js';
import { issueOf } from './token-form.js';

/** How far two machines' clocks may be apart. */
const LEEWAY_SECONDS = 30;

/** Seconds since the epoch (RFC 7519, section 2), whole. */
const time = z.number().int().optional();

/** What an agent's token must say. `sub` is the ghost; `groups` add to those that the policy maps it to; `tid` is the tenant. */
const claims = z.object({
  sub: name,
  exp: z.number().int(),
  nbf: time,
  iat: time,
  iss: z.string().optional(),
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  jti: text(200, 1).optional(),
  groups: z.array(name).max(100).default([]),
  tid: name.default('default'),
});
export type TokenClaims = z.output<typeof claims>;

/** What the configuration asks of every token. */
export interface ExpectedClaims {
  issuer?: string | undefined;
  audience?: string | undefined;
  /** Seconds that a token may be good for. */
  maxLifetime: number;
}

/** @throws TokenError */
export function readClaims(payload: Record<string, unknown>, expected: ExpectedClaims, now: number): TokenClaims {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) throw new TokenError(issueOf(parsed.error));
  const { iss, aud, exp, iat } = parsed.data;
  if (expected.issuer !== undefined && iss !== expected.issuer) throw new TokenError('unexpected "iss" claim value');
  if (expected.audience !== undefined && ![aud].flat().includes(expected.audience))
    throw new TokenError('unexpected "aud" claim value');
  checkTimes(parsed.data, now);
  const ahead = now + LEEWAY_SECONDS;
  if (iat !== undefined && iat > ahead) throw new TokenError('issued in the future ("iat")');
  // Also from `iat`: a token must not become good once enough of a too long life is over.
  if (exp > ahead + expected.maxLifetime || (iat !== undefined && exp - iat > expected.maxLifetime))
    throw new TokenError(`good for longer than ${expected.maxLifetime} seconds ("exp")`);
  return parsed.data;
}

/**
 * What time alone decides, again on each use.
 *
 * @param now seconds since the epoch
 * @throws TokenError
 */
export function checkTimes({ exp, nbf }: Pick<TokenClaims, 'exp' | 'nbf'>, now: number): void {
  if (exp <= now - LEEWAY_SECONDS) throw new TokenError('expired ("exp")');
  if (nbf !== undefined && nbf > now + LEEWAY_SECONDS) throw new TokenError('not yet good ("nbf")');
}
