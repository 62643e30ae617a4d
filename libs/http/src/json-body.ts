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
      if (size > 0) request.body = JSON.parse(Buffer.concat(chunks, size).toString()) as unknown;
      next();
    } catch (error) {
      next(new ServiceError('invalid', 'invalid_json', `The body is not valid JSON: ${(error as Error).message}`));
    }
  };
  request.on('data', onData).on('end', onEnd).on('error', next);
}

/** Answers at once; the rest of the body is read and thrown away, so that the client gets to see the answer. */
function refuse(request: ServiceRequest, next: NextFunction): void {
  request.resume();
  next(new ServiceError('too_large', 'body_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes`));
}
