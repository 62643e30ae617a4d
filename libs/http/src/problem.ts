import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { type Problem } from '#contracts';
import { ServiceError, type ErrorKind } from '#errors';

const STATUS: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  upstream: 502,
  unavailable: 503,
  internal: 500,
};

/** The one place where anything thrown becomes a problem document. What is not ours says nothing of itself. */
export function toProblem(error: unknown, requestId: string): Problem {
  if (error instanceof ServiceError)
    return document(STATUS[error.kind], error.code, error.detail, requestId, error.extensions);
  const status = knownStatus(error);
  if (status !== undefined) {
    const code = (STATUS_CODES[status] ?? 'error').toLowerCase().replaceAll(/[^a-z]+/g, '_');
    return document(status, code, (error as Error).message, requestId);
  }
  return document(
    500,
    'internal_error',
    'An unexpected error happened; the log has it under the request id',
    requestId,
  );
}

/** Nest's refusals (no such route, not ready) and Express' 4xx (a malformed URL) carry a status and a harmless message. */
function knownStatus(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}

function document(
  status: number,
  code: string,
  detail: string,
  requestId: string,
  extensions: Record<string, unknown> = {},
): Problem {
  const title = STATUS_CODES[status] ?? 'Error';
  return { type: 'about:blank', title, status, detail, code, request_id: requestId, ...extensions };
}
