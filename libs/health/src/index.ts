export { HealthDetails, type HealthDetail } from './health-details.js';
export { HealthModule } from './health.module.js';
export { ServiceHealth } from './service-health.js';
