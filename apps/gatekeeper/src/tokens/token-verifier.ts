import { compactVerify } from 'jose';
import { ServiceError } from '#errors';
import { invalidToken } from '#http';
import { type Clock } from './clock.js';
import { type RemoteKeys } from './remote-keys.js';
import { type RevocationList } from './revocation-list.js';
import { checkTimes, readClaims, type ExpectedClaims } from './token-claims.js';
import { TokenError } from './token-error.js';
import { readToken, type TokenForm } from './token-form.js';
import { VerifiedTokens, type VerifiedToken } from './verified-tokens.js';

export interface TokenVerifierOptions {
  /** For HS256, and for nothing else. */
  secret: string;
  expected: ExpectedClaims;
  /** For all other algorithms; without them such tokens are refused. */
  remoteKeys: RemoteKeys | undefined;
  revocations: RevocationList;
  clock: Clock;
}

/**
 * Verifies agents' tokens after RFC 8725: each kind of key has its one algorithm, and nothing in a header is followed.
 * What was found good is remembered; time and revocation are checked on each use all the same.
 */
export class TokenVerifier {
  readonly verified = new VerifiedTokens();
  private readonly secret: Uint8Array;
  private generation = 0;

  constructor(private readonly options: TokenVerifierOptions) {
    this.secret = new TextEncoder().encode(options.secret);
  }

  /**
   * Answers at once, without a promise, for a token that it remembers.
   *
   * @throws ServiceError unauthenticated: its cause says what is wrong, for the audit trail, its detail does not; unavailable, code
   *   `identity_provider_unavailable`, when nobody can tell
   */
  verify(token: string): VerifiedToken | Promise<VerifiedToken> {
    const known = this.verified.get(token);
    if (!known) return this.verifyAnew(token);
    this.options.remoteKeys?.refreshWhenStale();
    try {
      this.checkNow(known);
      return known;
    } catch (error) {
      this.verified.remove(token);
      throw invalidToken(error);
    }
  }

  /** Forgets what was verified: the keys are others now. Also what is being verified with the old ones. */
  forget(): void {
    this.generation++;
    this.verified.clear();
  }

  private async verifyAnew(token: string): Promise<VerifiedToken> {
    const { generation } = this;
    try {
      const form = readToken(token);
      await this.verifySignature(token, form);
      const { sub, tid, groups, exp, nbf, iat, jti } = readClaims(form.payload, this.options.expected, this.now());
      const verified: VerifiedToken = Object.freeze({
        kind: 'agent',
        ghostId: sub,
        groups: Object.freeze(groups),
        tenantId: tid,
        token,
        expiresAt: exp,
        notBefore: nbf,
        issuedAt: iat,
        jti,
      });
      this.checkNow(verified);
      if (generation === this.generation) this.verified.add(verified);
      return verified;
    } catch (error) {
      throw error instanceof ServiceError ? error : invalidToken(error);
    }
  }

  /** Nothing else of the form is looked at again: jose compares the algorithm with the key, and checks the signature. */
  private async verifySignature(token: string, { alg, kid }: TokenForm): Promise<void> {
    const key = alg === 'HS256' ? this.secret : await this.options.remoteKeys?.find(alg, kid);
    if (!key)
      throw new TokenError(this.options.remoteKeys ? 'its key is not known' : `${alg} needs GATEKEEPER_JWKS_URL`);
    await compactVerify(token, key, { algorithms: [alg] });
  }

  /** @throws TokenError */
  private checkNow(token: VerifiedToken): void {
    checkTimes({ exp: token.expiresAt, nbf: token.notBefore }, this.now());
    const revoked = this.options.revocations.reasonAgainst(token);
    if (revoked) throw new TokenError(revoked);
  }

  private now(): number {
    return this.options.clock.now() / 1000;
  }
}
