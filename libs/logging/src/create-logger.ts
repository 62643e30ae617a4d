import { pino, type Logger } from 'pino';

export type { Logger };

export interface LoggerOptions {
  service: string;
  level: string;
}

/**
 * One JSON object a line on standard output, times in RFC 3339 UTC.
 * Whatever looks like a credential is cut out before it is written.
 */
export function createLogger({ service, level }: LoggerOptions): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ['authorization', '*.authorization', 'token', '*.token', '*.password'], censor: '[redacted]' },
  });
}
