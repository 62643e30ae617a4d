import CircuitBreaker from 'opossum';
import { Pool, type Dispatcher } from 'undici';
import { type z } from 'zod';
import { problem, type Problem, type ServiceName } from '#contracts';
import { ServiceError, type ErrorKind } from '#errors';
import { type ServiceTokens } from '#http';

export interface PeerOptions {
  name: ServiceName;
  url: string;
  tokens: ServiceTokens;
  /** Milliseconds until an answer must be complete. */
  timeoutMs?: number;
}

export interface PeerCall<S extends z.ZodType> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  requestId?: string | undefined;
  /** An agent's token to pass on; without one, this service's own. */
  agentToken?: string;
  /** Doing it twice is the same as doing it once: one more try after an outage. */
  idempotent?: boolean;
  response: S;
}

const DEFAULT_TIMEOUT_MS = 5000;
const CONNECTIONS = 64;
const KINDS: Partial<Record<number, ErrorKind>> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  413: 'too_large',
  429: 'rate_limited',
};

/**
 * Calls to one other service over a keep-alive pool: timeout, one retry of idempotent calls, circuit breaker, service token.
 * The peer's refusals (4xx) come back as ServiceError with its own detail and code. An outage (no answer, 5xx, an answer that is
 * not what the contract says) is always `unavailable`, never taken for a refusal.
 */
export class PeerClient {
  readonly pool: Pool;
  private readonly breaker: CircuitBreaker<[Dispatcher.RequestOptions], { status: number; text: string }>;
  private readonly timeoutMs: number;

  constructor(private readonly options: PeerOptions) {
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.pool = new Pool(options.url, {
      connections: CONNECTIONS,
      connect: { timeout: 2000 },
      keepAliveTimeout: 30_000,
    });
    this.breaker = new CircuitBreaker((request: Dispatcher.RequestOptions) => this.exchange(request), {
      timeout: false,
      volumeThreshold: 10,
      errorThresholdPercentage: 50,
      resetTimeout: 2000,
    });
  }

  /** @throws ServiceError as the class says */
  async call<S extends z.ZodType>(call: PeerCall<S>): Promise<z.output<S>> {
    const request = {
      method: call.method,
      path: call.path,
      headers: await this.headers(call),
      body: jsonOf(call.body),
    };
    const answer = await this.attempt(request).catch((error: unknown) => {
      if (call.idempotent && !this.breaker.opened) return this.attempt(request);
      throw error;
    });
    if (answer.status >= 400) throw refusal(answer.status, answer.text);
    const parsed = call.response.safeParse(parseJson(answer.text));
    if (!parsed.success) throw this.outage(new Error(`unexpected answer: ${parsed.error.message}`));
    return parsed.data;
  }

  /** Headers for a call; also for those that stream and so do not go through `call`. */
  async headers({
    agentToken,
    requestId,
  }: {
    agentToken?: string;
    requestId?: string | undefined;
  }): Promise<Record<string, string>> {
    const token = agentToken ?? (await this.options.tokens.issueFor(this.options.name));
    return {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(requestId && { 'x-request-id': requestId }),
    };
  }

  outage(cause: unknown): ServiceError {
    const { name } = this.options;
    return new ServiceError('unavailable', `${name}_unavailable`, `The ${name} service does not answer`, {
      cause,
      retryAfter: 1,
    });
  }

  async close(): Promise<void> {
    this.breaker.shutdown();
    // Not close(): that would wait for answers that nobody waits for any more.
    await this.pool.destroy();
  }

  private async attempt(request: Dispatcher.RequestOptions): Promise<{ status: number; text: string }> {
    try {
      return await this.breaker.fire(request);
    } catch (error) {
      throw this.outage(error);
    }
  }

  /** A 5xx counts as a failure for the breaker; a 4xx is an answer. */
  private async exchange(request: Dispatcher.RequestOptions): Promise<{ status: number; text: string }> {
    const response = await this.pool.request({ ...request, signal: AbortSignal.timeout(this.timeoutMs) });
    const text = await response.body.text();
    if (response.statusCode >= 500)
      throw new Error(`${this.options.name} answered ${response.statusCode}: ${text.slice(0, 500)}`);
    return { status: response.statusCode, text };
  }
}

/** The peer's own words, as a ServiceError. */
export function refusal(status: number, text: string): ServiceError {
  const parsed = problem.safeParse(parseJson(text));
  const given: Partial<Problem> = parsed.success ? parsed.data : {};
  const {
    type: _type,
    title: _title,
    status: _status,
    request_id: _id,
    detail,
    code,
    error: _error,
    ...extensions
  } = given;
  return new ServiceError(KINDS[status] ?? 'invalid', code ?? 'refused', detail ?? `refused with status ${status}`, {
    extensions,
  });
}

function jsonOf(body: unknown): string | null {
  return body === undefined ? null : JSON.stringify(body);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
