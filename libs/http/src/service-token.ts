import { createHmac, createSecretKey, randomUUIDv7, timingSafeEqual, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { SERVICES, type ServiceName } from '#contracts';
import { ServiceError } from '#errors';
import { invalidToken } from './bearer.js';
import { ReplayMemory } from './replay-memory.js';
import { ServiceTokenError, type ServiceTokenFault } from './service-token-error.js';

/**
 * Tokens between services: JWT, HS256 with SERVICE_KEY, `iss` the caller, `aud` the callee, 60 s, a `jti` that holds once.
 * Told apart from agents' tokens by an issuer that is the name of a service; each kind is only ever checked against its own key.
 * Made and checked here rather than by a library, because there is one form only: 3 µs instead of 85.
 */
const TTL_SECONDS = 60;
const LEEWAY_SECONDS = 5;
const REPLAY_CAPACITY = 1_000_000;
const NAMES: ReadonlySet<unknown> = new Set(SERVICES);
const HEADER = encode('{"alg":"HS256","typ":"JWT"}');

/** Anything else in a header (crit, kid, jku, jwk, x5u, ...) is a reason to refuse; nothing there is ever followed. */
const header = z.strictObject({ alg: z.literal('HS256'), typ: z.literal('JWT').optional() });
const seconds = z.number().int().nonnegative();
const claims = z.object({
  iss: z.enum(SERVICES),
  aud: z.string(),
  iat: seconds,
  exp: seconds,
  nbf: seconds.optional(),
  jti: z.uuid().toLowerCase(),
});
type Claims = z.output<typeof claims>;

export interface ServiceTokenOptions {
  /** Told of each token that is refused. */
  onRefused?: (fault: ServiceTokenFault) => void;
  /** How many ids of tokens are remembered at most; one takes about 110 bytes. */
  replayCapacity?: number;
  /** Milliseconds since the epoch. */
  clock?: () => number;
}

export class ServiceTokens {
  private readonly key: KeyObject;
  private readonly seen: ReplayMemory;
  private readonly clock: () => number;
  private readonly startedAt: number;
  private readonly onRefused: (fault: ServiceTokenFault) => void;

  constructor(
    private readonly self: ServiceName,
    serviceKey: string,
    options: ServiceTokenOptions = {},
  ) {
    this.key = createSecretKey(Buffer.from(serviceKey));
    this.seen = new ReplayMemory(options.replayCapacity ?? REPLAY_CAPACITY);
    this.clock = options.clock ?? Date.now;
    this.onRefused = options.onRefused ?? (() => undefined);
    this.startedAt = this.now();
  }

  /** How many ids of tokens are remembered at the moment. */
  get remembered(): number {
    this.seen.drop(this.now());
    return this.seen.size;
  }

  /** A token for one call to another service. The next call, or another try, needs another one. */
  issueFor(callee: ServiceName): string {
    const iat = this.now();
    const payload = { iss: this.self, aud: callee, iat, exp: iat + TTL_SECONDS, jti: randomUUIDv7() };
    const signed = `${HEADER}.${encode(JSON.stringify(payload))}`;
    return `${signed}.${this.sign(signed)}`;
  }

  /** Whether a token claims to be a service's. Says nothing about whether it is. */
  claimsToBeService(token: string): boolean {
    const payload = decode(token.split('.', 2)[1]);
    return NAMES.has((payload as { iss?: unknown } | null | undefined)?.iss);
  }

  /**
   * Accepts a token, once. The issuer may be this service itself: a tool that works for it calls as the service that it works for.
   *
   * @returns the calling service
   * @throws ServiceError unauthenticated when it is not good, or was accepted before; its cause is a ServiceTokenError that says why
   * @throws ServiceError unavailable when there is no room to remember it: what cannot be remembered could be replayed
   */
  accept(token: string): ServiceName {
    const { iss, jti, exp } = this.check(token);
    const now = this.now();
    const answer = this.seen.add(jti, exp + LEEWAY_SECONDS, now);
    if (answer === 'seen') throw this.refused('replayed');
    if (answer === 'full') {
      this.onRefused('no_room');
      throw new ServiceError('unavailable', 'too_many_service_calls', 'Too many calls of services in a minute', {
        retryAfter: 1,
      });
    }
    return iss;
  }

  /** All but the replay: the signature first, so that nothing that a stranger wrote is looked into. */
  private check(token: string): Claims {
    const parts = token.split('.');
    const [head, body, signature] = parts;
    if (parts.length !== 3 || !head || !body || !signature) throw this.refused('malformed');
    if (head !== HEADER && !header.safeParse(decode(head)).success) throw this.refused('header');
    if (!sameText(signature, this.sign(`${head}.${body}`))) throw this.refused('signature');
    const parsed = claims.safeParse(decode(body));
    if (!parsed.success) throw this.refused('claims');
    if (parsed.data.aud !== this.self) throw this.refused('audience');
    const fault = this.timeFault(parsed.data);
    if (fault) throw this.refused(fault);
    return parsed.data;
  }

  private timeFault({ iat, exp, nbf = iat }: Claims): ServiceTokenFault | undefined {
    const now = this.now();
    if (exp < iat || exp - iat > TTL_SECONDS) return 'lifetime';
    if (Math.max(iat, nbf) > now + LEEWAY_SECONDS) return 'not_yet_valid';
    if (exp <= now - LEEWAY_SECONDS) return 'expired';
    // This process does not know what the one before it had accepted.
    if (iat < this.startedAt - LEEWAY_SECONDS) return 'before_start';
    return undefined;
  }

  private refused(fault: ServiceTokenFault): ServiceError {
    this.onRefused(fault);
    return invalidToken(new ServiceTokenError(fault));
  }

  private sign(signed: string): string {
    return createHmac('sha256', this.key).update(signed).digest('base64url');
  }

  private now(): number {
    return Math.floor(this.clock() / 1000);
  }
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** The JSON in a part of a token; undefined where there is none. */
function decode(part: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(part ?? '', 'base64url').toString());
  } catch {
    return undefined;
  }
}

/** In a time that tells nothing of where they differ. As text, so that a signature has one spelling only. */
function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
