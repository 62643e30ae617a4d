/** Providers that are reached over HTTP, all by OpenAI's API. */
export const REMOTE_PROVIDERS = ['ollama', 'deepinfra', 'google', 'anthropic', 'openai'] as const;
export type RemoteProvider = (typeof REMOTE_PROVIDERS)[number];

/** The provider inside this service. */
export const BUILTIN = 'builtin';

export const PROVIDERS = [...REMOTE_PROVIDERS, BUILTIN] as const;
export type ProviderName = (typeof PROVIDERS)[number];
