import { ServiceError } from '#errors';

const MAX_TOKEN_BYTES = 8192;

/**
 * The token of an Authorization header (RFC 6750).
 *
 * @throws ServiceError unauthenticated when there is no header, or no token of a plausible form in it
 */
export function bearerToken(header: string | undefined): string {
  if (!header) throw new ServiceError('unauthenticated', 'missing_authorization', 'Missing Authorization header');
  const token = /^Bearer +([\w~+/.=-]+) *$/i.exec(header)?.[1];
  if (!token || token.length > MAX_TOKEN_BYTES) throw invalidToken();
  return token;
}

/** One text for every reason: what exactly is wrong with a token helps only those who forge them. */
export function invalidToken(cause?: unknown): ServiceError {
  return new ServiceError('unauthenticated', 'invalid_token', 'Invalid or expired token', { cause });
}
