/** Injects this service's pino logger. */
export const LOGGER = Symbol('logger');
