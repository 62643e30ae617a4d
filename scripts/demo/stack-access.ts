import { type Env } from '../stack/apps.js';
import { serviceUrl } from '../stack/service-env.js';
import { makeToken } from '../stack/token.js';

/** How the demo reaches a running stack: its URLs, and tokens of its own making. */
export interface StackAccess {
  lobby: string;
  guardian: string;
  gatekeeper: string;
  token: (ghost: string, options?: { groups?: string[]; ttlSeconds?: number }) => Promise<string>;
  /** A JSON call as the Supervisor, who may do everything. */
  asSupervisor: (method: string, url: string, requestId: string, body?: unknown) => Promise<unknown>;
}

const TIMEOUT_MS = 10_000;

export function stackAccess(jwtSecretKey: string, env: Env): StackAccess {
  const token: StackAccess['token'] = (ghost, { groups, ttlSeconds = 600 } = {}) =>
    makeToken({ ghost, groups, ttlSeconds }, jwtSecretKey, env);
  return {
    lobby: serviceUrl('lobby', env),
    guardian: serviceUrl('guardian', env),
    gatekeeper: serviceUrl('gatekeeper', env),
    token,
    asSupervisor: async (method, url, requestId, body) => {
      const response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${await token('Supervisor')}`,
          'content-type': 'application/json',
          'x-request-id': requestId,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
      return JSON.parse(text) as unknown;
    },
  };
}
