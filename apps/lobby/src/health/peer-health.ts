import { performance } from 'node:perf_hooks';
import { Agent, request } from 'undici';
import { healthResponse, type HealthResponse, type ServiceName, type ServiceStatus } from '#contracts';
import { limitedBody } from '../limited-body.js';

const MAX_BYTES = 256 * 1024;

/** Asks another service for its health, as anybody may. Its words, where they are none, do not get further than here. */
export class PeerHealth {
  private readonly agent = new Agent({ connections: 2, keepAliveTimeout: 30_000 });

  constructor(private readonly timeoutMs = 2000) {}

  /** Never throws: no answer is an answer. */
  async check(name: ServiceName, url: string): Promise<ServiceStatus> {
    const start = performance.now();
    try {
      const health = await this.ask(url);
      if (health?.service === name) return toStatus(health, millisecondsSince(start));
      return unreachable('answers, but not as this service does', millisecondsSince(start));
    } catch (error) {
      const late = (error as Error).name === 'TimeoutError';
      const reason = late ? `does not answer within ${this.timeoutMs} ms` : 'does not answer';
      return unreachable(reason, millisecondsSince(start));
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async ask(url: string): Promise<HealthResponse | undefined> {
    const signal = AbortSignal.timeout(this.timeoutMs);
    const { body } = await request(`${url}/health`, { dispatcher: this.agent, signal });
    const text = (await limitedBody(body, MAX_BYTES)).toString();
    try {
      return healthResponse.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  }
}

export function toStatus({ status, database, audit }: HealthResponse, latencyMs: number): ServiceStatus {
  return { status, database, audit: audit ?? null, latency_ms: latencyMs };
}

export function millisecondsSince(start: number): number {
  return Math.round((performance.now() - start) * 10) / 10;
}

function unreachable(error: string, latencyMs: number): ServiceStatus {
  return { status: 'unreachable', database: null, audit: null, latency_ms: latencyMs, error };
}
