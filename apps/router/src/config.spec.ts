import { describe, expect, it } from '@jest/globals';
import { loadConfig } from './config.js';

const REQUIRED = {
  ROUTER_DATABASE_URL: 'postgres://u:p@127.0.0.1:5432/d',
  SERVICE_KEY: 'a service key for tests, thirty-two characters or more',
};
const provider = (environment: object, name: string) =>
  loadConfig({ ...REQUIRED, ...environment }).providers.find((one) => one.name === name);

describe("the router's configuration", () => {
  it('has no provider configured by default, and knows where they are', () => {
    const { providers } = loadConfig(REQUIRED);
    expect(providers.filter(({ configured }) => configured)).toEqual([]);
    expect(providers.map(({ setting }) => setting)).toEqual([
      'OLLAMA_URL',
      'DEEPINFRA_API_KEY',
      'GEMINI_API_KEY',
      'ANTHROPIC_API_KEY',
      'OPENAI_API_KEY',
    ]);
  });

  it.each(['http://ollama:11434', 'http://ollama:11434/', 'http://ollama:11434/v1'])('takes %s for Ollama', (url) => {
    expect(provider({ OLLAMA_URL: url }, 'ollama')).toMatchObject({
      baseUrl: 'http://ollama:11434/v1',
      configured: true,
    });
  });

  it('takes another address for a provider, which does not configure it', () => {
    expect(provider({ OPENAI_URL: 'http://vllm:8000/v1' }, 'openai')).toMatchObject({
      baseUrl: 'http://vllm:8000/v1',
      configured: false,
    });
    expect(provider({ OPENAI_API_KEY: 'k' }, 'openai')).toMatchObject({ apiKey: 'k', configured: true });
  });

  it('names all bad settings together', () => {
    const bad = { ROUTER_PROVIDER_TIMEOUT_MS: '1', ROUTER_ECHO_DELAY_MS: '-1', OLLAMA_URL: 'nowhere' };
    expect(() => loadConfig({ ...REQUIRED, ...bad })).toThrow(
      /ROUTER_PROVIDER_TIMEOUT_MS.*\n.*ROUTER_ECHO_DELAY_MS.*\n.*OLLAMA_URL/,
    );
  });
});
