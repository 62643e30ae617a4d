import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { type Env } from './apps.js';

export interface TokenRequest {
  ghost: string;
  groups?: readonly string[] | undefined;
  tenant?: string | undefined;
  ttlSeconds: number;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const MAX_SECONDS = 365 * 86_400;

/**
 * An agent's token for the local stack: HS256, `sub` is the ghost, `groups` and `tid` only when given, `iss` and `aud`
 * when the gatekeeper is configured to ask for them.
 */
export function makeToken(request: TokenRequest, secret: string, env: Env): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    ...(request.groups && { groups: [...request.groups] }),
    ...(request.tenant !== undefined && { tid: request.tenant }),
  };
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(request.ghost)
    .setIssuedAt(now)
    .setExpirationTime(now + request.ttlSeconds)
    .setJti(randomUUID());
  const [issuer, audience] = [env['GATEKEEPER_JWT_ISSUER'], env['GATEKEEPER_JWT_AUDIENCE']];
  if (issuer) token.setIssuer(issuer);
  if (audience) token.setAudience(audience);
  return token.sign(new TextEncoder().encode(secret));
}

/**
 * `30s`, `15m`, `1h`, `7d` in seconds.
 * @throws Error saying what is wrong with it; nothing above 365 days, nothing below a second.
 */
export function parseTtl(text: string): number {
  const [, amount, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (seconds >= 1 && seconds <= MAX_SECONDS) return seconds;
  throw new Error(`"${text}" is no time to live: give a number and s, m, h or d, such as 15m; at most 365d.`);
}
