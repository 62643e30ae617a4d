import { CreateRegistry1763683200000 } from './1763683200000-create-registry.js';
import { CreateRoutingDecisions1763683200001 } from './1763683200001-create-routing-decisions.js';

/** This service's schema history, oldest first. */
export const migrations = [CreateRegistry1763683200000, CreateRoutingDecisions1763683200001];
