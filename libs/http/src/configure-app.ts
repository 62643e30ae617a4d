import { performance } from 'node:perf_hooks';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { type NextFunction, type Response } from 'express';
import { type Logger } from '#logging';
import { jsonBody } from './json-body.js';
import { serveOpenApi, type ApiDescription } from './openapi.js';
import { ProblemFilter, type ErrorTranslator, type ProblemDecorator } from './problem.filter.js';
import { requestId } from './request-id.js';
import { type ServiceRequest } from './request.js';
import { validationPipe } from './validation.js';

export interface AppHttpOptions extends ApiDescription {
  logger: Logger;
  decorateProblem?: ProblemDecorator | undefined;
  translateError?: ErrorTranslator;
  observe: (method: string, route: string, status: number, seconds: number) => void;
}

/** Everything that each service's HTTP side has in common, in the order in which a request meets it. */
export function configureApp(app: NestExpressApplication, options: AppHttpOptions): void {
  app.set('etag', false);
  app.set('x-powered-by', false);
  app.use(requestId);
  app.use(observer(options));
  app.use(jsonBody);
  app.useGlobalPipes(validationPipe);
  app.useGlobalFilters(new ProblemFilter(options.logger, options.decorateProblem, options.translateError));
  serveOpenApi(app, options);
}

function observer({ logger, observe }: AppHttpOptions) {
  return (request: ServiceRequest, response: Response, next: NextFunction): void => {
    const start = performance.now();
    response.once('close', () => {
      const seconds = (performance.now() - start) / 1000;
      // The route's pattern, not the path: ids in labels would grow the metrics without bound.
      const route = (request.route as { path?: string } | undefined)?.path ?? 'unmatched';
      observe(request.method, route, response.statusCode, seconds);
      if (!logger.isLevelEnabled('debug')) return;
      logger.debug(
        {
          request_id: request.requestId,
          method: request.method,
          url: request.url,
          status: response.statusCode,
          seconds,
        },
        'request',
      );
    });
    next();
  };
}
