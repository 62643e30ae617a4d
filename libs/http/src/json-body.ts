import { type NextFunction, type Response } from 'express';
import { ServiceError } from '#errors';
import { type ServiceRequest } from './request.js';

export const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Reads a request's body as JSON, whatever its content type says. An empty body stays undefined.
 * In place of body-parser, whose generality costs a fifth of the throughput (docs/decisions/0004-small-body-reader.md).
 */
export function jsonBody(request: ServiceRequest, _response: Response, next: NextFunction): void {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared === 0 && request.headers['transfer-encoding'] === undefined) return next();
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return next(new ServiceError('invalid', 'unsupported_encoding', `Content-Encoding ${encoding} is not supported`));
  if (declared > MAX_BODY_BYTES) return refuse(request, next);

  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      request.off('data', onData).off('end', onEnd);
      return refuse(request, next);
    }
    chunks.push(chunk);
  };
  const onEnd = (): void => {
    try {
      if (size > 0)
        request.body = parseJson((chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)).toString());
      next();
    } catch (error) {
      next(new ServiceError('invalid', 'invalid_json', `The body is not valid JSON: ${(error as Error).message}`));
    }
  };
  request.on('data', onData).on('end', onEnd).on('error', next);
}

/** What may hold a member of that name, escaped or not. */
const PERHAPS_PROTO = /__proto__|\\u/;

/** Leaves out members named `__proto__`: assigned to another object, they would change what it inherits. @throws SyntaxError */
function parseJson(text: string): unknown {
  if (!PERHAPS_PROTO.test(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value));
}

/** Answers at once; the rest of the body is read and thrown away, so that the client gets to see the answer. */
function refuse(request: ServiceRequest, next: NextFunction): void {
  request.resume();
  next(new ServiceError('too_large', 'body_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes`));
}
