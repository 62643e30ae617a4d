import { applyDecorators, HttpCode } from '@nestjs/common';
import { ApiOperation, ApiResponse } from '@nestjs/swagger';
import { type z } from 'zod';
import { PROBLEM_REFERENCE } from './openapi.js';

export interface EndpointOptions {
  summary: string;
  description?: string;
  /** Default 200. */
  status?: number;
  /** Schema of the answer. */
  response?: z.ZodType;
  /** Media type of the answer, where it is not JSON. */
  produces?: string;
  /** What each error status means here. */
  errors?: Partial<Record<number, string>>;
}

const PROBLEM_CONTENT = { 'application/problem+json': { schema: { $ref: PROBLEM_REFERENCE } } };

/** Status and OpenAPI description of a route, in one place. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const status = options.status ?? 200;
  const success = options.produces
    ? ApiResponse({ status, description: 'Success', content: { [options.produces]: { schema: { type: 'string' } } } })
    : ApiResponse({ status, description: 'Success', ...(options.response && { standardSchema: options.response }) });
  const failures = Object.entries(options.errors ?? {}).map(([code, description]) =>
    ApiResponse({ status: Number(code), description: description ?? '', content: PROBLEM_CONTENT }),
  );
  return applyDecorators(
    HttpCode(status),
    ApiOperation({ summary: options.summary, ...(options.description && { description: options.description }) }),
    success,
    ...failures,
  );
}
