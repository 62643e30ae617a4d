import { Inject, Injectable } from '@nestjs/common';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { name } from '#contracts';
import { invalidToken, type AgentPrincipal } from '#http';
import { CONFIG, type GatekeeperConfig } from '../config.js';

const SYMMETRIC = ['HS256'];
const ASYMMETRIC = ['RS256', 'ES256', 'EdDSA'];

/** What an agent's token must say. `sub` is the ghost; `groups` add to those that the policy maps it to; `tid` is the tenant. */
const claims = z.object({
  sub: name,
  exp: z.number().int(),
  groups: z.array(name).max(100).default([]),
  tid: name.default('default'),
});

export interface VerifiedToken extends AgentPrincipal {
  /** Seconds since the epoch. */
  expiresAt: number;
}

/** Verifies agents' tokens after RFC 8725: each kind of key has its own closed list of algorithms, and nothing in a header is followed. */
@Injectable()
export class TokenVerifier {
  private readonly secret: Uint8Array;
  private readonly remoteKeys: JWTVerifyGetKey | undefined;

  constructor(@Inject(CONFIG) private readonly config: GatekeeperConfig) {
    this.secret = new TextEncoder().encode(config.jwt.secret);
    this.remoteKeys = config.jwt.jwksUrl ? createRemoteJWKSet(new URL(config.jwt.jwksUrl)) : undefined;
  }

  /** @throws ServiceError unauthenticated; its cause says what is wrong, for the audit trail, its detail does not */
  async verify(token: string): Promise<VerifiedToken> {
    try {
      const { sub, exp, groups, tid } = claims.parse(await this.payloadOf(token));
      return { kind: 'agent', ghostId: sub, groups, tenantId: tid, token, expiresAt: exp };
    } catch (error) {
      throw invalidToken(error);
    }
  }

  private async payloadOf(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.config.jwt;
    const expected = { ...(issuer && { issuer }), ...(audience && { audience }), requiredClaims: ['exp', 'sub'] };
    if (this.remoteKeys && ASYMMETRIC.includes(decodeProtectedHeader(token).alg ?? ''))
      return (await jwtVerify(token, this.remoteKeys, { ...expected, algorithms: ASYMMETRIC })).payload;
    return (await jwtVerify(token, this.secret, { ...expected, algorithms: SYMMETRIC })).payload;
  }
}
