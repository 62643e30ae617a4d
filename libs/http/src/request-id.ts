import { randomUUIDv7 } from 'node:crypto';
import { type NextFunction, type Response } from 'express';
import { type ServiceRequest } from './request.js';

/** What a caller may choose: short, printable, safe in a log line and a header. */
const ACCEPTABLE = /^[\w.:/+=@-]{1,128}$/;

/** Takes the caller's `x-request-id` or makes one, and echoes it. */
export function requestId(request: ServiceRequest, response: Response, next: NextFunction): void {
  const given = request.headers['x-request-id'];
  request.requestId = typeof given === 'string' && ACCEPTABLE.test(given) ? given : randomUUIDv7();
  response.setHeader('x-request-id', request.requestId);
  next();
}
