import { Controller, Get } from '@nestjs/common';
import { modelList, type ModelList } from '#contracts';
import { Authenticated, Endpoint } from '#http';
import { RegistryStore } from './registry-store.js';

@Controller('v1/models')
export class ModelsController {
  constructor(private readonly store: RegistryStore) {}

  @Get()
  @Authenticated()
  @Endpoint({
    summary: 'What `model` may name, as OpenAI lists it: shells, and ghosts (owned by gravitas)',
    response: modelList,
    errors: { 401: 'No valid token' },
  })
  list(): ModelList {
    const { shells, ghosts } = this.store.current;
    const entry = (id: string, createdAt: Date, owner: string) => ({
      id,
      object: 'model' as const,
      created: Math.floor(createdAt.getTime() / 1000),
      owned_by: owner,
    });
    return {
      object: 'list',
      data: [
        ...shells.map((shell) => entry(shell.name, shell.createdAt, shell.provider)),
        ...ghosts.map((ghost) => entry(ghost.name, ghost.createdAt, 'gravitas')),
      ],
    };
  }
}
