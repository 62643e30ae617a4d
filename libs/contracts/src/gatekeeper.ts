import { z } from 'zod';
import { metadata, name, text, timestamp } from './common.js';

/** A path-like name. Without `.` and `..`, which another reader might resolve to a place that the policy did not mean. */
const resource = text(1000, 1).refine(
  (value) => !value.split('/').some((segment) => segment === '.' || segment === '..'),
  'must not contain . or .. segments',
);

export const validateRequest = z.object({
  action: name.default('inference'),
  resource,
  metadata: metadata.default({}),
});
export type ValidateRequest = z.input<typeof validateRequest>;

export const validateResponse = z.object({
  allowed: z.literal(true),
  ghost_id: z.string(),
  tenant_id: z.string().optional(),
  groups: z.array(z.string()),
  /** Null only where auditing is configured to fail open and did. */
  audit_id: z.string().nullable(),
  reason: z.string(),
  policy_version: z.string(),
});
export type ValidateResponse = z.output<typeof validateResponse>;

/** Token introspection after RFC 7662: is this agent's token good, and whose is it? No policy is asked. */
export const introspectRequest = z.object({ token: z.string().min(1).max(8192) });
export const introspectResponse = z.union([
  z.object({ active: z.literal(false) }),
  z.object({
    active: z.literal(true),
    sub: z.string(),
    groups: z.array(z.string()),
    tenant_id: z.string(),
    exp: z.number().int(),
  }),
]);
export type IntrospectResponse = z.output<typeof introspectResponse>;

/** One token by its `jti`, or all tokens of a ghost that were issued until now. An agent revokes within its own tenant only. */
export const revokeTokensRequest = z
  .object({
    jti: text(200, 1).optional(),
    ghost_id: name.optional(),
    tenant_id: name.optional(),
    reason: text(1000).default(''),
  })
  .refine((body) => (body.jti === undefined) !== (body.ghost_id === undefined), {
    error: 'name exactly one of jti and ghost_id',
    path: ['jti'],
  });
export type RevokeTokensRequest = z.input<typeof revokeTokensRequest>;

/** What is revoked; exactly one of `jti` and `ghost_id`. */
const revokedTokens = z.object({ tenant_id: z.string(), jti: z.string().optional(), ghost_id: z.string().optional() });

export const revokeTokensResponse = z.object({ revoked: revokedTokens, revoked_at: timestamp });
export type RevokeTokensResponse = z.output<typeof revokeTokensResponse>;

export const revokedTokensQuery = z.object({ limit: z.coerce.number().int().min(1).max(1000).default(100) });
export type RevokedTokensQuery = z.output<typeof revokedTokensQuery>;

/** Newest first. `expires_at` is when no such token can be good any more, and the entry goes; null: it stays. */
export const revokedTokensResponse = z.object({
  revoked: z.array(
    revokedTokens.extend({
      revoked_at: timestamp,
      revoked_by: z.string(),
      reason: z.string(),
      expires_at: timestamp.nullable(),
    }),
  ),
});
export type RevokedTokensResponse = z.output<typeof revokedTokensResponse>;

/** A permission of a group. `index` is its place in the policy: groups by name (UTF-16 code units), permissions as they stand. */
export const policyRule = z.object({
  index: z.number().int().min(0),
  group: z.string(),
  effect: z.enum(['allow', 'deny']),
  action: z.string(),
  resource: z.string(),
});

const explainedRule = policyRule.extend({
  index: policyRule.shape.index.default(0),
  effect: policyRule.shape.effect.default('allow'),
});

/**
 * `rule` decides: the first deny that matches, else the first allow. `complete`: all rules of the groups are in the two lists. What has
 * a default was added later.
 */
export const explainResponse = z.object({
  allowed: z.boolean(),
  ghost_id: z.string(),
  groups: z.array(z.string()),
  reason: z.string(),
  rule: explainedRule.nullable().default(null),
  matched: z.array(explainedRule),
  considered: z.array(explainedRule.extend({ why_not: z.string() })),
  complete: z.boolean().default(true),
  policy_version: z.string(),
});
export type ExplainResponse = z.output<typeof explainResponse>;

export const policyReloadResponse = z.object({
  policy_version: z.string(),
  changed: z.boolean(),
  groups: z.number().int(),
  rules: z.number().int(),
});
export type PolicyReloadResponse = z.output<typeof policyReloadResponse>;

/**
 * What the audit event of a decision says in its metadata, so that it can be decided again. `groups`: all that were asked;
 * `input.groups`: those that the token named. The digest is the SHA-256 of `{action, ghost_id, groups, resource, tenant_id}` as
 * canonical JSON (RFC 8785), with the groups of the token. `too_large`: the request's own metadata are left out, and of `groups` all
 * but the first ten.
 */
export const decisionMetadata = z.object({
  policy_version: z.string(),
  rule: policyRule.nullable(),
  groups: z.array(z.string()),
  input: z.object({ groups: z.array(z.string()) }),
  input_digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  too_large: z.literal(true).optional(),
});
export type DecisionMetadata = z.output<typeof decisionMetadata>;
