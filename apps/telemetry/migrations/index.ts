import { CreateTelemetry1763683200000 } from './1763683200000-create-telemetry.js';

/** This service's schema history, oldest first. */
export const migrations = [CreateTelemetry1763683200000];
