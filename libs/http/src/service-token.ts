import { randomUUIDv7 } from 'node:crypto';
import { decodeJwt, jwtVerify, SignJWT } from 'jose';
import { SERVICES, type ServiceName } from '#contracts';

/**
 * Tokens between services: JWT, HS256 with SERVICE_KEY, `iss` the caller, `aud` the callee, 60 s.
 * Told apart from agents' tokens by an issuer that is the name of a service; each kind is only ever checked against its own key.
 */
const TTL_SECONDS = 60;
const LEEWAY_SECONDS = 5;
const NAMES: ReadonlySet<unknown> = new Set(SERVICES);

export class ServiceTokens {
  private readonly key: Uint8Array;

  constructor(
    private readonly self: ServiceName,
    serviceKey: string,
  ) {
    this.key = new TextEncoder().encode(serviceKey);
  }

  /** A token with which this service calls another. */
  issueFor(callee: ServiceName): Promise<string> {
    return new SignJWT()
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(this.self)
      .setAudience(callee)
      .setIssuedAt()
      .setExpirationTime(`${TTL_SECONDS}s`)
      .setJti(randomUUIDv7())
      .sign(this.key);
  }

  /** Whether a token claims to be a service's. Says nothing about whether it is. */
  claimsToBeService(token: string): boolean {
    try {
      return NAMES.has(decodeJwt(token).iss);
    } catch {
      return false;
    }
  }

  /**
   * @returns the calling service
   * @throws jose.errors.JOSEError when the signature, the audience or the time does not hold
   */
  async verify(token: string): Promise<ServiceName> {
    const { payload } = await jwtVerify(token, this.key, {
      algorithms: ['HS256'],
      audience: this.self,
      issuer: [...SERVICES],
      requiredClaims: ['exp', 'jti'],
      maxTokenAge: TTL_SECONDS,
      clockTolerance: LEEWAY_SECONDS,
    });
    return payload.iss as ServiceName;
  }
}
