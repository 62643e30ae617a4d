import { z } from 'zod';
import { auditTenant } from './audit.js';

/** Leaves of a tenant's tree, or the index of one: what a double holds exactly. */
const treeSize = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const sizeParameter = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** 32 bytes in base64. */
const hash = z.string().regex(/^[A-Za-z0-9+/]{43}=$/);

/** The public key of a tenant's log, as C2SP signed-note writes it: `origin+key id+base64`. */
export const logKey = z.object({ tenant_id: z.string(), origin: z.string(), verifier_key: z.string() });
export type LogKey = z.output<typeof logKey>;

export const PROOF_FORMATS = ['json', 'tlog-proof'] as const;
export const proofQuery = auditTenant.extend({ format: z.enum(PROOF_FORMATS).default('json') });
export type ProofQuery = z.output<typeof proofQuery>;

/** `to` is the newest size unless given. */
export const consistencyQuery = auditTenant.extend({ from: sizeParameter, to: sizeParameter.optional() });
export type ConsistencyQuery = z.output<typeof consistencyQuery>;

/**
 * That the tree of `from` leaves is the beginning of the one of `to` (RFC 6962, section 2.1.2). `checkpoint` is that of size `to`; null
 * where it is not kept any more: of those older than a day it is the last of each hour.
 */
export const logConsistency = z.object({
  from: treeSize,
  to: treeSize,
  proof: z.array(hash).max(64),
  checkpoint: z.string().nullable(),
});
export type LogConsistency = z.output<typeof logConsistency>;

/** `last_size` and `last_at` are of its last cosignature, `problem` of the last time that it was asked; null: none. */
export const logWitness = z.object({
  name: z.string(),
  key: z.string(),
  url: z.string(),
  last_size: treeSize.nullable(),
  last_at: z.string().nullable(),
  problem: z.string().nullable(),
});
export type LogWitness = z.output<typeof logWitness>;

/** `checkpoint` is the newest that a witness has cosigned, with its cosignatures; null while there is none. */
export const logWitnesses = z.object({ witnesses: z.array(logWitness), checkpoint: z.string().nullable() });
export type LogWitnesses = z.output<typeof logWitnesses>;

/** What follows `tile/` in a path of C2SP tlog-tiles, by its segments, such as `0/x001/x234/067.p/5`. */
export const tileSegments = z.array(z.string().max(64)).min(1).max(10);
