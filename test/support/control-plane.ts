import { type AuditEvent, type ServiceName } from '#contracts';
import { agentToken, startService, waitFor, type TestDatabase, type TestService } from '#testing';
import { ALL_SERVICES } from './services.js';

/** The five services in this process, each on its own database, wired to each other as in production. */
export interface ControlPlane extends Record<ServiceName, TestService> {
  /** The trail's events of one request, once there are as many as expected, oldest first. */
  trailOf: (requestId: string, atLeast: number) => Promise<AuditEvent[]>;
  close: () => Promise<void>;
}

/**
 * @param environment further settings, for all services
 * @param databases instead of one of its own for each; dropped when the services are closed
 */
export async function startControlPlane(
  environment: Record<string, string> = {},
  databases: Partial<Record<ServiceName, TestDatabase>> = {},
): Promise<ControlPlane> {
  const urls: Record<string, string> = {};
  const started: [ServiceName, TestService][] = [];
  for (const { name, definition } of ALL_SERVICES) {
    const database = databases[name];
    const service = await startService(name, definition, {
      environment: { ...environment, ...urls },
      ...(database && { database }),
    });
    urls[`${name.toUpperCase()}_URL`] = service.url;
    started.push([name, service]);
  }
  const plane = Object.fromEntries(started) as Record<ServiceName, TestService>;
  return {
    ...plane,
    trailOf: async (requestId, atLeast) =>
      waitFor(`${atLeast} events of request ${requestId}`, async () => {
        const events = await readTrail(plane.gatekeeper, requestId);
        return events.length >= atLeast && events;
      }),
    // The door first, the keeper of the trail last: the others send it their last events.
    close: async () => {
      for (const [, service] of started.reverse()) await service.close();
    },
  };
}

async function readTrail(service: TestService, requestId: string): Promise<AuditEvent[]> {
  const response = await fetch(`${service.url}/v1/audit/events?limit=1000`, {
    headers: { authorization: `Bearer ${await agentToken('Supervisor')}` },
  });
  const { events } = (await response.json()) as { events: AuditEvent[] };
  return events.filter((event) => event.request_id === requestId).reverse();
}
