import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ServiceError } from '#errors';
import { type CallContext, type ServiceRequest } from './request.js';

/** A parameter: who calls, and under which request id. Only on routes that are not public. */
export const Call = createParamDecorator((_data: unknown, context: ExecutionContext): CallContext => {
  const request = context.switchToHttp().getRequest<ServiceRequest>();
  if (!request.principal)
    throw new ServiceError('internal', 'internal_error', 'This route reads its caller, but lets everybody in');
  return { principal: request.principal, requestId: request.requestId };
});
