import OpenAI from 'openai';
import {
  agentToken,
  startService,
  startStandInGatekeeper,
  waitFor,
  type StandInGatekeeper,
  type TestDatabase,
  type TestService,
} from '#testing';
import { router } from '../src/app.module.js';
import { StandInGuardian } from './stand-in-guardian.js';
import { StandInTelemetry } from './stand-in-telemetry.js';
import { StandInUpstream } from './stand-in-upstream.js';

export interface Decision {
  requested_model: string;
  ghost_id: string | null;
  tenant_id: string;
  session_id: string;
  shell: string | null;
  tier: string | null;
  provider: string | null;
  complexity: number;
  priority: string;
  stream: boolean;
  candidates: { model: string; reason: string }[];
  outcome: string;
  error_code: string | null;
  latency_ms: number;
  tokens_in: number;
  tokens_out: number;
}

/** A router with stand-ins for everything around it. Every provider is configured and is the one stand-in upstream. */
export interface TestRouter {
  service: TestService;
  gatekeeper: StandInGatekeeper;
  guardian: StandInGuardian;
  telemetry: StandInTelemetry;
  upstream: StandInUpstream;
  /** OpenAI's own client, as this ghost. */
  client: (ghost: string) => Promise<OpenAI>;
  post: (ghost: string, body: object, signal?: AbortSignal) => Promise<Response>;
  /** The row of the request with this id. */
  decision: (requestId: string) => Promise<Decision>;
  close: () => Promise<void>;
}

export const KEY = 'sk-a-key-that-must-never-be-seen';
/** Set to empty, a variable counts as absent. */
export const NO_PROVIDERS = { OLLAMA_URL: '', DEEPINFRA_API_KEY: '', GEMINI_API_KEY: '', ANTHROPIC_API_KEY: '' };

export async function startRouter(
  environment: Record<string, string> = {},
  database?: TestDatabase,
): Promise<TestRouter> {
  const gatekeeper = await startStandInGatekeeper();
  const guardian = await new StandInGuardian().listen();
  const telemetry = await new StandInTelemetry().listen();
  const upstream = await new StandInUpstream().listen();
  gatekeeper.allow(({ resource }) => resource.startsWith('shells/l1/'));
  const service = await startService('router', router, {
    environment: {
      GATEKEEPER_URL: gatekeeper.url,
      GUARDIAN_URL: guardian.url,
      TELEMETRY_URL: telemetry.url,
      OLLAMA_URL: upstream.url,
      DEEPINFRA_URL: `${upstream.url}/deepinfra`,
      DEEPINFRA_API_KEY: KEY,
      GEMINI_URL: `${upstream.url}/google`,
      GEMINI_API_KEY: KEY,
      ANTHROPIC_URL: `${upstream.url}/anthropic`,
      ANTHROPIC_API_KEY: KEY,
      ...environment,
    },
    ...(database && { database }),
  });
  return {
    service,
    gatekeeper,
    guardian,
    telemetry,
    upstream,
    client: async (ghost) =>
      new OpenAI({ baseURL: `${service.url}/v1`, apiKey: await agentToken(ghost), maxRetries: 0, timeout: 10_000 }),
    post: async (ghost, body, signal) =>
      fetch(`${service.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await agentToken(ghost)}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...(signal && { signal }),
      }),
    decision: (requestId) =>
      waitFor(`the decision of ${requestId}`, async () => {
        const rows = await service.database.query<Decision & Record<string, unknown>>(
          'SELECT * FROM routing_decisions WHERE request_id = $1',
          [requestId],
        );
        return rows[0];
      }),
    close: async () => {
      await service.close();
      await Promise.all([gatekeeper.close(), guardian.close(), telemetry.close(), upstream.close()]);
    },
  };
}

export const user = (content: string) => ({ role: 'user' as const, content });

export function requestIdOf(response: Response): string {
  return response.headers.get('x-request-id') ?? '';
}
