import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { type Response } from 'express';
import { type Problem } from '#contracts';
import { ServiceError } from '#errors';
import { type Logger } from '#logging';
import { toProblem } from './problem.js';
import { type ServiceRequest } from './request.js';

/** Says of an error from elsewhere (a driver, a library) what it means here; undefined when it means nothing known. */
export type ErrorTranslator = (error: unknown) => ServiceError | undefined;

/** Adds members to each problem document, such as OpenAI's `error`. */
export type ProblemDecorator = (problem: Problem) => object;

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly decorate: ProblemDecorator = () => ({}),
    private readonly translate: ErrorTranslator = () => undefined,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const error = thrown instanceof ServiceError ? thrown : (this.translate(thrown) ?? thrown);
    const request = host.switchToHttp().getRequest<ServiceRequest>();
    const response = host.switchToHttp().getResponse<Response>();
    const problem = toProblem(error, request.requestId);
    if (problem.status >= 500)
      this.logger.error(
        { err: error, request_id: request.requestId, method: request.method, url: request.url },
        problem.detail,
      );
    // A stream that has begun cannot change its status any more; ending the connection tells the client that it is incomplete.
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (error instanceof ServiceError && error.retryAfter !== undefined)
      response.setHeader('retry-after', error.retryAfter);
    if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer');
    response
      .status(problem.status)
      .type('application/problem+json')
      .send(JSON.stringify({ ...problem, ...this.decorate(problem) }));
  }
}
