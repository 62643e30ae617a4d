import { z } from 'zod';
import { auditEvent } from './audit.js';

/** 32 bytes, base64. */
const hash = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'expected 32 bytes in base64');

/**
 * What shows, with the log's public key and nothing else, that an event is in the trail: its place in the log, the hashes from the leaf's
 * sibling up to the child of the root, and the signed checkpoint with that root.
 */
export const eventProof = z.object({
  event: auditEvent,
  index: z.number().int().min(0),
  inclusion_proof: z.array(hash).max(63),
  /** A signed note (C2SP tlog-checkpoint), with the cosignatures of witnesses. */
  checkpoint: z.string().max(1_000_000),
});
export type EventProof = z.output<typeof eventProof>;
