import { z } from 'zod';
import { duration, metadata, name, text, timestamp, uuid } from './common.js';

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

export const sessionHeartbeatRequest = z.object({ session_id: name });
export type SessionHeartbeatRequest = z.input<typeof sessionHeartbeatRequest>;

/** `expires_at`: when the session is taken for abandoned, unless something is heard of it before. */
export const sessionHeartbeatResponse = z.object({ session_id: z.string(), expires_at: timestamp });
export type SessionHeartbeatResponse = z.output<typeof sessionHeartbeatResponse>;

export const CERTIFICATE_STATUSES = ['valid', 'expired', 'revoked', 'invalid'] as const;
export const MAX_CERTIFICATE_SECONDS = 10 * 365 * 86_400;
/** As many capabilities has a certificate at most, and as many badges a ghost. */
export const MAX_CAPABILITIES = 64;
const capabilities = z.array(name).max(MAX_CAPABILITIES);

/** `revoked`: it is, or the key that signed it. `invalid`: the row is not what was signed. */
export const certificate = z.object({
  agent: z.string(),
  serial: uuid,
  issued_at: timestamp,
  expires_at: timestamp,
  revoked_at: timestamp.nullable(),
  status: z.enum(CERTIFICATE_STATUSES),
  capabilities: z.array(z.string()),
});
export type CertificateView = z.output<typeof certificate>;

export const certificateQuery = z.object({
  agent: name.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
export type CertificateQuery = z.output<typeof certificateQuery>;

/** Newest first. `total` counts all that match, beyond the limit too. */
export const certificateList = z.object({ certificates: z.array(certificate), total: z.number().int() });
export type CertificateList = z.output<typeof certificateList>;

export const certificateIssueRequest = z.object({
  agent: name,
  ttl: duration(1, MAX_CERTIFICATE_SECONDS),
  /** Without any given: the agent's badges at that time. */
  capabilities: capabilities.optional(),
});
export type CertificateIssueRequest = z.input<typeof certificateIssueRequest>;

/** Without a `ttl`: as long as the last one. */
export const certificateRenewRequest = z.object({ ttl: duration(1, MAX_CERTIFICATE_SECONDS).optional() }).prefault({});
export type CertificateRenewRequest = z.input<typeof certificateRenewRequest>;

/** `signature` (Ed25519, base64url) is over the UTF-8 bytes of `statement`; `key_id` is the SHA-256 of the public key's SPKI, in hex. */
export const issuedCertificate = certificate.extend({
  version: z.number().int(),
  statement: z.string(),
  signature: z.string(),
  key_id: z.string(),
});
export type IssuedCertificate = z.output<typeof issuedCertificate>;

/** Strict: a name that is spelt wrong must not revoke all. */
export const certificateRevokeQuery = z.strictObject({ serial: uuid.optional() });
export type CertificateRevokeQuery = z.output<typeof certificateRevokeQuery>;

export const certificateRevokeResponse = z.object({ agent: z.string(), revoked: z.number().int() });
export type CertificateRevokeResponse = z.output<typeof certificateRevokeResponse>;

/** SHA-256 of the public key's SPKI, in hex. */
export const keyId = z.string().regex(/^[0-9a-f]{64}$/, 'expected the SHA-256 of a public key, in hex');

/**
 * `public_key`: Ed25519, SPKI, PEM. `retired_at`: another has taken its place, and what it signed holds. `revoked_at`: what it signed
 * does not hold. `current`: the instance that answers signs with it.
 */
export const signingKey = z.object({
  key_id: z.string(),
  public_key: z.string(),
  created_at: timestamp,
  retired_at: timestamp.nullable(),
  revoked_at: timestamp.nullable(),
  current: z.boolean(),
});
export type SigningKeyView = z.output<typeof signingKey>;

export const signingKeyQuery = z.object({ limit: z.coerce.number().int().min(1).max(1000).default(100) });
export type SigningKeyQuery = z.output<typeof signingKeyQuery>;

/** Newest first. `total` counts all, beyond the limit too. */
export const signingKeyList = z.object({ keys: z.array(signingKey), total: z.number().int() });
export type SigningKeyList = z.output<typeof signingKeyList>;

export const signingKeyRotateResponse = signingKey.extend({ previous_key_id: z.string() });
export type SigningKeyRotateResponse = z.output<typeof signingKeyRotateResponse>;

export const signingKeyRevokeRequest = z
  .object({ reason: text(500, 1).default('it may be in other hands') })
  .prefault({});
export type SigningKeyRevokeRequest = z.input<typeof signingKeyRevokeRequest>;

/** `certificates`: as many that have not expired, and were not revoked themselves, hold no longer. */
export const signingKeyRevokeResponse = signingKey.extend({ reason: z.string(), certificates: z.number().int() });
export type SigningKeyRevokeResponse = z.output<typeof signingKeyRevokeResponse>;

export const statsQuery = z.object({
  agent: name.optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
});
export type StatsQuery = z.output<typeof statsQuery>;

/**
 * `avg_duration`: seconds, of the completed sessions; 0 where there are none. A session that was abandoned is neither active nor
 * completed.
 */
export const agentStats = z.object({
  active_sessions: z.number().int(),
  completed_total: z.number().int(),
  avg_duration: z.number(),
  certification_expires: timestamp.nullable(),
});

/** By agent, in order of their names. `total_agents` counts all that match, beyond the limit too. */
export const statsResponse = z.object({
  stats: z.record(z.string(), agentStats),
  total_agents: z.number().int(),
});
export type StatsResponse = z.output<typeof statsResponse>;

export const badgeList = z.object({
  ghost_id: z.string(),
  badges: z.array(z.object({ badge: z.string(), granted_at: timestamp, granted_by: z.string() })),
});
export type BadgeList = z.output<typeof badgeList>;

export const badgeCheckResponse = z.object({
  ghost_id: z.string(),
  badge: z.string(),
  held: z.literal(true),
  granted_at: timestamp,
});
export type BadgeCheckResponse = z.output<typeof badgeCheckResponse>;

/** `granted`: false when the ghost had the badge already. */
export const badgeGrantResponse = z.object({ ghost_id: z.string(), badge: z.string(), granted: z.boolean() });
export type BadgeGrantResponse = z.output<typeof badgeGrantResponse>;

export const badgeRevokeResponse = z.object({ ghost_id: z.string(), badge: z.string(), revoked: z.literal(true) });
export type BadgeRevokeResponse = z.output<typeof badgeRevokeResponse>;
