import { type NextFunction, type Response } from 'express';
import { type Principal, type ServiceRequest } from '#http';
import { withIntent, type Intent } from '../route/intent.js';
import { type Participation } from '../route/participation.js';

const READING = new Set(['GET', 'HEAD']);
/** What looks after the service and does not use it: it says nothing of how requests fare, and has no key. */
const ASIDE = /^\/(health|metrics|docs)([/?]|$)/;

/**
 * Middleware, behind the one that reads the body: says of each request what it wants of the database, and counts it.
 *
 * GET and HEAD read, by the key of the caller: an agent's tenant and name, or a service's name. A service calls for many, so its
 * share is drawn by the request's id, which is that of the agent's request all the way. Any other method writes.
 */
export function splitRequests({ stats, writers }: Pick<Participation, 'stats' | 'writers'>) {
  return (request: ServiceRequest, response: Response, next: NextFunction): void => {
    const aside = ASIDE.test(request.originalUrl);
    const reads = READING.has(request.method);
    if (!aside) {
      const start = performance.now();
      response.once('close', () => {
        stats.answered(performance.now() - start, response.statusCode >= 500);
        // Also for what is buffered now and written a little later.
        if (!reads && request.principal) writers.note(keyOf(request.principal));
      });
    }
    withIntent(aside ? { kind: 'read' } : new RequestIntent(reads ? 'read' : 'write', request), next);
  };
}

/** Who calls is known only once the access guard has looked: so it is asked for when it is needed. */
class RequestIntent implements Intent {
  constructor(
    readonly kind: 'read' | 'write',
    private readonly request: ServiceRequest,
  ) {}

  get key(): string | undefined {
    const { principal } = this.request;
    return principal && keyOf(principal);
  }

  get spread(): string {
    const { principal, requestId } = this.request;
    return principal?.kind === 'agent' ? keyOf(principal) : requestId;
  }
}

function keyOf(principal: Principal): string {
  return principal.kind === 'agent' ? `${principal.tenantId}/${principal.ghostId}` : `service ${principal.service}`;
}
