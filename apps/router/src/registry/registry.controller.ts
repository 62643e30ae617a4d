import { Controller, Get, Post, Query } from '@nestjs/common';
import {
  registryModels,
  registryQuery,
  registryReloadResponse,
  type RegistryModel,
  type RegistryModels,
  type RegistryQuery,
  type RegistryReloadResponse,
} from '#contracts';
import { ServiceError } from '#errors';
import { Authenticated, Endpoint, Requires } from '#http';
import { Providers } from '../providers/providers.js';
import { RegistryFileError } from './registry-files.js';
import { RegistryStore } from './registry-store.js';
import { type Shell } from './shell.entity.js';

@Controller('v1/registry')
export class RegistryController {
  constructor(
    private readonly store: RegistryStore,
    private readonly providers: Providers,
  ) {}

  @Get('models')
  @Authenticated()
  @Endpoint({
    summary: 'The models, with tier, provider, price and whether they can be called',
    description: '`available` means that the provider is configured here; costs are US dollars per 1000 tokens.',
    response: registryModels,
    errors: { 400: 'A filter is not valid', 401: 'No valid token' },
  })
  models(@Query({ schema: registryQuery }) query: RegistryQuery): RegistryModels {
    const shells = this.store.current.shells
      .filter((shell) => query.tier === undefined || shell.tier === query.tier)
      .filter((shell) => query.provider === undefined || shell.provider === query.provider);
    return {
      models: Object.fromEntries(shells.map((shell) => [shell.name, this.describe(shell)])),
      count: shells.length,
    };
  }

  @Post('reload')
  @Requires('write', 'router/registry')
  @Endpoint({
    summary: 'Read the files of models and ghosts again',
    response: registryReloadResponse,
    errors: { 400: 'A file is not valid; the registry in force stays', 401: 'No valid token', 403: 'Not allowed' },
  })
  async reload(): Promise<RegistryReloadResponse> {
    try {
      const { registry, changes } = await this.store.reload();
      const changed = [changes.models, changes.ghosts].some(
        ({ added, updated, retired }) => added.length + updated.length + retired.length > 0,
      );
      return { models: registry.shells.length, ghosts: registry.ghosts.length, changed, changes };
    } catch (error) {
      if (error instanceof RegistryFileError)
        throw new ServiceError('invalid', error.code, error.message, { cause: error });
      throw error;
    }
  }

  private describe(shell: Shell): RegistryModel {
    return {
      provider: shell.provider,
      tier: shell.tier,
      context_window: shell.contextWindow,
      cost_per_1k_input: shell.costPer1kInput,
      cost_per_1k_output: shell.costPer1kOutput,
      capabilities: shell.capabilities,
      available: this.providers.of(shell).configured,
    };
  }
}
