import { type Dispatcher } from 'undici';
import { errorMessage, ServiceError } from '#errors';
import { type RemoteProviderConfig } from '../config.js';

const MAX_MESSAGE = 500;
const MAX_RETRY_AFTER_SECONDS = 3600;
/** What is wrong with the request itself, and would be with any provider. */
const BAD_REQUEST = new Set([400, 413, 422]);
const BAD_CREDENTIALS = new Set([401, 403]);

/** A provider's refusal, as an error for the caller. What it says of our key stays in the log. */
export function refusalOf(
  provider: RemoteProviderConfig,
  status: number,
  headers: Record<string, string | string[] | undefined>,
  text: string,
): ServiceError {
  const { message, param } = saidIn(text);
  const said = withoutSecrets(message ?? `it answered with status ${status}`, provider);
  const cause = new Error(`${provider.name} answered ${status}: ${withoutSecrets(text, provider)}`);
  if (BAD_CREDENTIALS.has(status))
    return new ServiceError(
      'upstream',
      'provider_credentials',
      `The provider ${provider.name} does not accept this router's credentials; check ${provider.setting}`,
      { cause },
    );
  if (BAD_REQUEST.has(status))
    return new ServiceError('invalid', 'upstream_invalid_request', said, { cause, extensions: { param } });
  if (status === 429) {
    const retryAfter = seconds(headers['retry-after']);
    return new ServiceError('rate_limited', 'upstream_rate_limited', `The provider ${provider.name}: ${said}`, {
      cause,
      ...(retryAfter !== undefined && { retryAfter }),
    });
  }
  return upstreamError(provider, said, cause);
}

/** Anything that went wrong between us and a provider, as an error for the caller. */
export function failureOf(provider: RemoteProviderConfig, error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const timedOut = code === 'UND_ERR_BODY_TIMEOUT';
  return upstreamError(
    provider,
    timedOut ? 'it paused for too long' : withoutSecrets(errorMessage(error), provider),
    error,
  );
}

export function upstreamError(provider: RemoteProviderConfig, what: string, cause?: unknown): ServiceError {
  return new ServiceError('upstream', 'upstream_error', `The provider ${provider.name} failed: ${what}`, { cause });
}

/** The error in a body or an event: `{error: {message}}`, `{error: "..."}`, a list of such (Gemini), `{message}`, or none. */
export function saidIn(text: string): { message: string | undefined; param: string | null } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { message: undefined, param: null };
  }
  const outer = record(Array.isArray(body) ? (body as unknown[])[0] : body);
  if (typeof outer['error'] === 'string') return { message: outer['error'], param: null };
  const inner = { ...outer, ...record(outer['error']) };
  return {
    message: typeof inner['message'] === 'string' ? inner['message'] : undefined,
    param: typeof inner['param'] === 'string' ? inner['param'] : null,
  };
}

export function withoutSecrets(text: string, { apiKey }: RemoteProviderConfig): string {
  return (apiKey ? text.replaceAll(apiKey, '[key]') : text).slice(0, MAX_MESSAGE);
}

/** Retry-After in seconds: a number, or a date (RFC 9110, section 10.2.3). */
function seconds(header: Dispatcher.ResponseData['headers'][string]): number | undefined {
  if (typeof header !== 'string') return undefined;
  const value = /^\d+$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1000);
  return Number.isFinite(value) ? Math.min(Math.max(value, 0), MAX_RETRY_AFTER_SECONDS) : undefined;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
