import { Controller, Get, Query } from '@nestjs/common';
import { RouterClient } from '#clients';
import {
  modelList,
  registryModels,
  registryQuery,
  type ModelList,
  type RegistryModels,
  type RegistryQuery,
} from '#contracts';
import { Authenticated, Call, Endpoint, type CallContext } from '#http';

@Authenticated()
@Controller('v1')
export class ModelsController {
  constructor(private readonly router: RouterClient) {}

  @Get('models')
  @Endpoint({
    summary: "The models, in OpenAI's form",
    response: modelList,
    errors: { 401: 'No valid token', 503: 'The router does not answer' },
  })
  models(@Call() { principal, requestId }: CallContext): Promise<ModelList> {
    return this.router.models(principal.kind === 'agent' ? principal.token : undefined, requestId);
  }

  @Get('registry/models')
  @Endpoint({
    summary: 'The models with provider, tier and price',
    response: registryModels,
    errors: { 400: 'A filter is not valid', 401: 'No valid token', 503: 'The router does not answer' },
  })
  registry(
    @Query({ schema: registryQuery }) query: RegistryQuery,
    @Call() { requestId }: CallContext,
  ): Promise<RegistryModels> {
    return this.router.registry(query, requestId);
  }
}
