import { Inject, Injectable } from '@nestjs/common';
import { HealthDetails } from '#health';
import { CONFIG, type RouterConfig } from '../config.js';
import { type Shell } from '../registry/shell.entity.js';
import { EchoProvider } from './echo-provider.js';
import { OpenAiProvider } from './openai-provider.js';
import { type ChatProvider } from './provider.js';
import { BUILTIN, type ProviderName } from './provider-names.js';

/** Every provider that this router knows, configured or not. */
@Injectable()
export class Providers {
  private readonly byName: ReadonlyMap<ProviderName, ChatProvider>;

  constructor(@Inject(CONFIG) config: RouterConfig, health: HealthDetails) {
    const options = { timeoutMs: config.providerTimeoutMs, idleMs: config.providerIdleMs };
    this.byName = new Map<ProviderName, ChatProvider>([
      ...config.providers.map((provider) => [provider.name, new OpenAiProvider(provider, options)] as const),
      [BUILTIN, new EchoProvider(config.echoDelayMs)],
    ]);
    health.add('providers', () => ({
      healthy: true,
      ...Object.fromEntries([...this.byName].map(([name, { configured }]) => [name, configured])),
    }));
  }

  of(shell: Pick<Shell, 'provider'>): ChatProvider {
    const provider = this.byName.get(shell.provider);
    if (!provider) throw new Error(`the registry names an unknown provider: ${shell.provider}`);
    return provider;
  }

  async close(): Promise<void> {
    await Promise.all([...this.byName.values()].map((provider) => provider.close()));
  }
}
