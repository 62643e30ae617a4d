import { type Dispatcher } from 'undici';
import { problem, type Problem } from '#contracts';
import { ServiceError, type ErrorKind } from '#errors';

/** Statuses that are an answer. Every other one from 400 up is an outage: a service of ours says no in one of these ways. */
const KINDS: Partial<Record<number, ErrorKind>> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  413: 'too_large',
  429: 'rate_limited',
};
/** What a service says of a path that it does not have: another version, or another service. No answer to what was asked. */
const NO_SUCH_ROUTE = 'not_found';
const MAX_RETRY_AFTER_SECONDS = 3600;

type Headers = Dispatcher.ResponseData['headers'];

export interface PeerAnswer {
  status: number;
  headers: Headers;
  text: string;
}

/**
 * The peer's own words as a ServiceError; undefined when they are not the peer's: what says no has to be a problem document of
 * ours. A proxy's 404 in HTML says nothing about what was asked for.
 */
export function refusalOf({ status, headers, text }: PeerAnswer): ServiceError | undefined {
  const kind = KINDS[status];
  if (kind === undefined || !isProblem(headers)) return undefined;
  const parsed = problem.safeParse(parseJson(text));
  if (!parsed.success || parsed.data.status !== status) return undefined;
  const { code, detail } = parsed.data;
  if (status === 404 && code === NO_SUCH_ROUTE) return undefined;
  const retryAfter = retryAfterOf(headers);
  return new ServiceError(kind, code, detail, {
    extensions: extensionsOf(parsed.data),
    ...(retryAfter !== undefined && { retryAfter }),
  });
}

export function isProblem(headers: Headers): boolean {
  return mediaType(headers) === 'application/problem+json';
}

/** Without parameters, in lower case. */
export function mediaType(headers: Headers): string {
  return String(headers['content-type']).split(';', 1)[0]!.trim().toLowerCase();
}

/** Seconds, at most an hour. Dates, which RFC 9110 allows, are none of ours. */
export function retryAfterOf(headers: Headers): number | undefined {
  const given = headers['retry-after'];
  if (typeof given !== 'string' || !/^\d{1,9}$/.test(given)) return undefined;
  return Math.min(Number(given), MAX_RETRY_AFTER_SECONDS);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function extensionsOf(given: Problem): Record<string, unknown> {
  const {
    type: _type,
    title: _title,
    status: _status,
    request_id: _id,
    detail: _detail,
    code: _code,
    error: _error,
    ...extensions
  } = given;
  return extensions;
}
