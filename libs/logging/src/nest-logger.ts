import { type LoggerService } from '@nestjs/common';
import { type Logger } from './create-logger.js';

/** Hands Nest's own log lines to pino. Nest's chatter about modules and routes goes to `debug`. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, context?: unknown): void {
    this.logger.debug({ context }, String(message));
  }

  fatal(message: unknown, ...details: unknown[]): void {
    this.logger.fatal(describe(message, details), String(message));
  }

  error(message: unknown, ...details: unknown[]): void {
    this.logger.error(describe(message, details), String(message));
  }

  warn(message: unknown, context?: unknown): void {
    this.logger.warn({ context }, String(message));
  }

  debug(message: unknown, context?: unknown): void {
    this.logger.trace({ context }, String(message));
  }

  verbose(message: unknown, context?: unknown): void {
    this.logger.trace({ context }, String(message));
  }
}

/** Nest passes (message, stack, context). */
function describe(message: unknown, details: unknown[]): object {
  if (message instanceof Error) return { err: message };
  return details.length > 1 ? { stack: details[0], context: details[1] } : { context: details[0] };
}
