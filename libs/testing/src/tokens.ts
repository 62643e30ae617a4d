import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { type ServiceName } from '#contracts';
import { ServiceTokens } from '#http';

export const TEST_JWT_SECRET = 'a secret for tests, thirty-two characters or more';
export const TEST_SERVICE_KEY = 'a service key for tests, thirty-two characters or more';

export interface TestTokenOptions {
  groups?: string[];
  tenant?: string;
  /** Seconds from now; negative for an expired token. */
  ttl?: number;
  secret?: string;
}

/** An agent's JWT, as `npm run token` makes them. */
export function agentToken(
  ghost: string,
  { groups, tenant, ttl = 300, secret = TEST_JWT_SECRET }: TestTokenOptions = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ ...(groups && { groups }), ...(tenant && { tid: tenant }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(ghost)
    .setIssuedAt(now)
    .setExpirationTime(now + ttl)
    .setJti(randomUUID())
    .sign(new TextEncoder().encode(secret));
}

/** A token for one call of one service to another. */
export async function serviceToken(from: ServiceName, to: ServiceName, key = TEST_SERVICE_KEY): Promise<string> {
  return new ServiceTokens(from, key).issueFor(to);
}
