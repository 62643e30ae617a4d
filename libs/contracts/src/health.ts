import { z } from 'zod';
import { auditStats } from './audit.js';

export const healthResponse = z
  .object({
    status: z.enum(['healthy', 'unhealthy']),
    service: z.string(),
    version: z.string(),
    uptime_seconds: z.number(),
    database: z.boolean(),
    audit: auditStats.optional(),
  })
  .catchall(z.unknown());
export type HealthResponse = z.output<typeof healthResponse>;
