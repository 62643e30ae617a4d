import { env, loadServiceConfig, type Environment, type ServiceConfig } from '#config';

export interface TelemetryConfig {
  service: ServiceConfig;
  buffer: {
    /** Events, waiting and in flight. */
    capacity: number;
    maxBatch: number;
    intervalMs: number;
  };
}

/** @throws ConfigError naming all bad settings together */
export function loadConfig(environment: Environment): TelemetryConfig {
  const { service, own } = loadServiceConfig(
    'telemetry',
    {
      TELEMETRY_BUFFER_SIZE: env.integer(1, 1_000_000, 10_000),
      TELEMETRY_BATCH_SIZE: env.integer(1, 10_000, 1000),
      TELEMETRY_FLUSH_INTERVAL_MS: env.integer(1, 60_000, 200),
    },
    environment,
  );
  return {
    service,
    buffer: {
      capacity: own.TELEMETRY_BUFFER_SIZE,
      maxBatch: own.TELEMETRY_BATCH_SIZE,
      intervalMs: own.TELEMETRY_FLUSH_INTERVAL_MS,
    },
  };
}

/** Injects the configuration. */
export const CONFIG = Symbol('telemetry config');
