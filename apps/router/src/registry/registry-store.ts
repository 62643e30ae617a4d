import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ConfigError } from '#config';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { CONFIG, type RouterConfig } from '../config.js';
import { readRegistryFiles, RegistryFileError } from './registry-files.js';
import { type Registry } from './registry.js';
import { RegistryRepository, type RegistryChanges } from './registry.repository.js';

/** Holds the registry in force. A bad file stops the boot, and never replaces a good registry later. */
@Injectable()
export class RegistryStore implements OnModuleInit {
  private registry: Registry;

  constructor(
    @Inject(CONFIG) private readonly config: RouterConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly repository: RegistryRepository,
    private readonly health: HealthDetails,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.reload().catch((error: unknown) => {
      throw error instanceof RegistryFileError ? new ConfigError('router', [error.message]) : error;
    });
    this.health.add('registry', () => ({
      healthy: true,
      models: this.registry.shells.length,
      ghosts: this.registry.ghosts.length,
    }));
  }

  get current(): Registry {
    return this.registry;
  }

  /**
   * Reads the files again, brings the tables in step with them, and puts in force what the tables say.
   *
   * @throws RegistryFileError with path and reason; nothing has changed then
   */
  async reload(): Promise<{ registry: Registry; changes: RegistryChanges }> {
    const { models, ghosts } = await readRegistryFiles(this.config.modelsPath, this.config.ghostsPath);
    const changes = await this.repository.sync(models, ghosts);
    this.registry = await this.repository.read();
    this.logger.info({ models: this.registry.shells.length, ghosts: this.registry.ghosts.length }, 'registry loaded');
    return { registry: this.registry, changes };
  }
}
