import { z } from 'zod';
import { metadata, name, text, timestamp } from './common.js';

export const certificateCheckRequest = z.object({ agent: name });
export const certificateCheckResponse = z.object({
  valid: z.literal(true),
  agent: z.string(),
  issued_at: timestamp,
  expires_at: timestamp,
});
export type CertificateCheckResponse = z.output<typeof certificateCheckResponse>;

export const sessionStartRequest = z.object({
  agent: name,
  session_id: name,
  metadata: metadata.default({}),
});
export type SessionStartRequest = z.input<typeof sessionStartRequest>;
export const sessionStartResponse = z.object({ allowed: z.literal(true), reason: z.string() });
export type SessionStartResponse = z.output<typeof sessionStartResponse>;

export const SESSION_OUTCOMES = ['succeeded', 'failed', 'cancelled'] as const;
export const sessionEndRequest = z.object({
  session_id: name,
  outcome: z.enum(SESSION_OUTCOMES).default('succeeded'),
  output_file: text(1000).optional(),
});
export type SessionEndRequest = z.input<typeof sessionEndRequest>;
export const sessionEndResponse = z.object({
  session_id: z.string(),
  agent: z.string(),
  outcome: z.enum(SESSION_OUTCOMES),
  duration_seconds: z.number(),
});
export type SessionEndResponse = z.output<typeof sessionEndResponse>;
