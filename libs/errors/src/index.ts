export { ServiceError, type ErrorKind, type ServiceErrorOptions } from './service-error.js';
export { errorMessage } from './error-message.js';
