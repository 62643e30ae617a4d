export { AccessControl, Authenticated, BearerToken, Public, Requires, ServiceOnly } from './access.js';
export { AccessGuard, AccessSettings } from './access.guard.js';
export { bearerToken, invalidToken } from './bearer.js';
export { Call } from './call.decorator.js';
export { configureApp, type AppHttpOptions } from './configure-app.js';
export { Endpoint, type EndpointOptions } from './endpoint.decorator.js';
export { openAiError } from './openai-error.js';
export { type ApiDescription } from './openapi.js';
export { type ErrorTranslator, type ProblemDecorator } from './problem.filter.js';
export { toProblem } from './problem.js';
export {
  type AgentPrincipal,
  type CallContext,
  type Principal,
  type ServicePrincipal,
  type ServiceRequest,
} from './request.js';
export { ServiceTokenError, type ServiceTokenFault } from './service-token-error.js';
export { ServiceTokens, type ServiceTokenOptions } from './service-token.js';
export { JsonAdapter } from './json-adapter.js';
