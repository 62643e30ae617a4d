import { type ServiceName } from '#contracts';
import { type ServiceDefinition, type WithService } from '#service';
import { gatekeeper } from '../../apps/gatekeeper/src/app.module.js';
import { guardian } from '../../apps/guardian/src/app.module.js';
import { lobby } from '../../apps/lobby/src/app.module.js';
import { router } from '../../apps/router/src/app.module.js';
import { telemetry } from '../../apps/telemetry/src/app.module.js';

export interface NamedService {
  name: ServiceName;
  definition: ServiceDefinition<WithService>;
}

/** All five, for what holds for every service. Each definition reads its own configuration, so its exact type does not matter here. */
export const ALL_SERVICES = [
  { name: 'gatekeeper', definition: gatekeeper },
  { name: 'guardian', definition: guardian },
  { name: 'telemetry', definition: telemetry },
  { name: 'router', definition: router },
  { name: 'lobby', definition: lobby },
] as unknown as NamedService[];
