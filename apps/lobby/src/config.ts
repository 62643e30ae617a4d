import { env, loadServiceConfig, type Environment, type ServiceConfig } from '#config';

export interface LobbyConfig {
  service: ServiceConfig;
  /** Milliseconds between two looks at the services while somebody watches. */
  healthIntervalMs: number;
  /** Milliseconds that an answer may wait for its place in the history. */
  historyTimeoutMs: number;
}

/** @throws ConfigError naming all bad settings together */
export function loadConfig(environment: Environment): LobbyConfig {
  const { service, own } = loadServiceConfig(
    'lobby',
    {
      LOBBY_HEALTH_INTERVAL_MS: env.integer(100, 60_000, 2000),
      LOBBY_HISTORY_TIMEOUT_MS: env.integer(10, 30_000, 2000),
    },
    environment,
  );
  return {
    service,
    healthIntervalMs: own.LOBBY_HEALTH_INTERVAL_MS,
    historyTimeoutMs: own.LOBBY_HISTORY_TIMEOUT_MS,
  };
}

/** Injects the configuration. */
export const CONFIG = Symbol('lobby config');
