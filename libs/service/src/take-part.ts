import { type DynamicModule, Module } from '@nestjs/common';
import { type ServiceConfig } from '#config';
import { dualClients, Participation, SplitModule, type MovedConnection } from '#decomposition';
import { type Logger } from '#logging';

@Module({})
class MovingAppModule {}

/**
 * When the service is to move, or has moved, to a database of its own: from now on its connections go where the move says.
 *
 * @param further connections beside those of every service
 */
export async function takePart(
  { name, database }: ServiceConfig,
  further: readonly MovedConnection[],
  log: Logger,
): Promise<Participation | undefined> {
  const { url, migrationUrl, split } = database;
  if (!split) return undefined;
  const connections = [{ source: url, target: split.url }, ...further];
  if (migrationUrl !== url) connections.push({ source: migrationUrl, target: split.migrationUrl });
  return Participation.start({ service: name, targetUrl: split.url, connections, log, dualClient: dualClients() });
}

/** The service with its part in the move, which comes first: so it is begun before all others and ended after them. */
export function withPart(service: DynamicModule, participation: Participation | undefined): DynamicModule {
  if (!participation) return service;
  return { module: MovingAppModule, imports: [SplitModule.forRoot(participation), service] };
}
