import { z } from 'zod';
import { parseStrictJson } from './strict-json.js';
import { TokenError } from './token-error.js';

const MAX_BYTES = 8192;
/** Would have a reader fetch or believe something that the token's maker chose, or read the token in another way (RFC 7515, 7516, 7797). */
const NEVER_FOLLOWED = ['crit', 'jku', 'x5u', 'jwk', 'x5c', 'b64', 'zip', 'enc'] as const;

const ALGORITHMS = ['HS256', 'RS256', 'ES256', 'EdDSA'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const header = z.object({
  alg: z.enum(ALGORITHMS),
  typ: z
    .string()
    .regex(/^(application\/)?(jwt|at\+jwt)$/i, 'is not JWT')
    .optional(),
  kid: z.string().max(200).optional(),
});

/** A token as it was read, before anything in it is known to be true. */
export interface TokenForm {
  alg: Algorithm;
  /** Names a key by being equal to its name, and in no other way. */
  kid: string | undefined;
  payload: Record<string, unknown>;
}

/**
 * Reads a JWT in JWS compact form (RFC 7515, section 3.1), strictly: whatever two readers could understand differently is refused
 * before any cryptography.
 *
 * @throws TokenError
 */
export function readToken(token: string): TokenForm {
  if (token.length > MAX_BYTES) throw new TokenError(`longer than ${MAX_BYTES} bytes`);
  const parts = token.split('.');
  const [head, body, signature] = parts;
  if (parts.length !== 3 || !head || !body || !signature)
    throw new TokenError('not three parts with dots between them');
  const rawHeader = objectOf('header', head);
  const refused = NEVER_FOLLOWED.find((member) => Object.hasOwn(rawHeader, member));
  if (refused) throw new TokenError(`the header has ${refused}, which is never followed`);
  const parsed = header.safeParse(rawHeader);
  if (!parsed.success) throw new TokenError(`the header's ${issueOf(parsed.error)}`);
  decode('signature', signature);
  return { alg: parsed.data.alg, kid: parsed.data.kid, payload: objectOf('payload', body) };
}

/** `member: what is wrong with it`, of the first thing that is. */
export function issueOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue ? `${issue.path.join('.')}: ${issue.message}` : 'content is not valid';
}

function objectOf(part: string, encoded: string): Record<string, unknown> {
  const bytes = decode(part, encoded);
  let value: unknown;
  try {
    // A byte order mark is kept, and so is no JSON.
    value = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new TokenError(`the ${part} is not strict JSON in UTF-8: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TokenError(`the ${part} is not a JSON object`);
  return value as Record<string, unknown>;
}

/** Only the one way to write these bytes: no padding, no other alphabet, no bits left over. */
function decode(part: string, encoded: string): Buffer {
  const bytes = Buffer.from(encoded, 'base64url');
  if (bytes.toString('base64url') !== encoded) throw new TokenError(`the ${part} is not base64url`);
  return bytes;
}
