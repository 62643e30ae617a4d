import { SystemTelemetry } from './events/system-telemetry.entity.js';
import { UsageStat } from './usage/usage-stat.entity.js';

/** This service's tables. */
export const entities = [SystemTelemetry, UsageStat];
