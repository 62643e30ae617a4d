import { env, loadServiceConfig, type Environment, type ServiceConfig } from '#config';
import { type RemoteProvider } from './providers/provider-names.js';

/** How a provider is reached. Without `baseUrl` or a key that it wants it counts as not configured. */
export interface RemoteProviderConfig {
  name: RemoteProvider;
  baseUrl: string | undefined;
  apiKey: string | undefined;
  configured: boolean;
  /** The variable to set so that it is. */
  setting: string;
}

export interface RouterConfig {
  service: ServiceConfig;
  modelsPath: string;
  ghostsPath: string;
  providers: readonly RemoteProviderConfig[];
  /** Milliseconds until a provider must have begun to answer. */
  providerTimeoutMs: number;
  /** Milliseconds that a provider may pause in mid-answer. */
  providerIdleMs: number;
  echoDelayMs: number;
  /** Items that each write-behind buffer holds at most. */
  bufferSize: number;
}

/** @throws ConfigError naming all bad settings together */
export function loadConfig(environment: Environment): RouterConfig {
  const { service, own } = loadServiceConfig(
    'router',
    {
      ROUTER_MODELS_PATH: env.text().default('apps/router/config/models.yaml'),
      ROUTER_GHOSTS_PATH: env.text().default('apps/router/config/ghosts.yaml'),
      ROUTER_PROVIDER_TIMEOUT_MS: env.integer(100, 300_000, 120_000),
      ROUTER_PROVIDER_IDLE_MS: env.integer(100, 100_000, 60_000),
      ROUTER_ECHO_DELAY_MS: env.integer(0, 10_000, 0),
      ROUTER_BUFFER_SIZE: env.integer(1, 1_000_000, 10_000),
      OLLAMA_URL: env.httpUrl().optional(),
      DEEPINFRA_API_KEY: env.secret(1).optional(),
      DEEPINFRA_URL: env.httpUrl().default('https://api.deepinfra.com/v1/openai'),
      GEMINI_API_KEY: env.secret(1).optional(),
      GEMINI_URL: env.httpUrl().default('https://generativelanguage.googleapis.com/v1beta/openai'),
      ANTHROPIC_API_KEY: env.secret(1).optional(),
      ANTHROPIC_URL: env.httpUrl().default('https://api.anthropic.com/v1'),
      OPENAI_API_KEY: env.secret(1).optional(),
      OPENAI_URL: env.httpUrl().default('https://api.openai.com/v1'),
    },
    environment,
  );
  const keyed = (name: RemoteProvider, baseUrl: string, setting: string, apiKey: string | undefined) => ({
    name,
    baseUrl,
    apiKey,
    configured: apiKey !== undefined,
    setting,
  });
  return {
    service,
    modelsPath: own.ROUTER_MODELS_PATH,
    ghostsPath: own.ROUTER_GHOSTS_PATH,
    providers: [
      {
        name: 'ollama',
        baseUrl: own.OLLAMA_URL && `${own.OLLAMA_URL.replace(/\/v1$/, '')}/v1`,
        apiKey: undefined,
        configured: own.OLLAMA_URL !== undefined,
        setting: 'OLLAMA_URL',
      },
      keyed('deepinfra', own.DEEPINFRA_URL, 'DEEPINFRA_API_KEY', own.DEEPINFRA_API_KEY),
      keyed('google', own.GEMINI_URL, 'GEMINI_API_KEY', own.GEMINI_API_KEY),
      keyed('anthropic', own.ANTHROPIC_URL, 'ANTHROPIC_API_KEY', own.ANTHROPIC_API_KEY),
      keyed('openai', own.OPENAI_URL, 'OPENAI_API_KEY', own.OPENAI_API_KEY),
    ],
    providerTimeoutMs: own.ROUTER_PROVIDER_TIMEOUT_MS,
    providerIdleMs: own.ROUTER_PROVIDER_IDLE_MS,
    echoDelayMs: own.ROUTER_ECHO_DELAY_MS,
    bufferSize: own.ROUTER_BUFFER_SIZE,
  };
}

/** Injects the configuration. */
export const CONFIG = Symbol('router config');
