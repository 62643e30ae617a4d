import { hash } from 'node:crypto';

/** What a decision depends on beside the policy. */
export interface DecisionInput {
  tenant: string;
  ghost: string;
  /** Those that the token names, as it names them. */
  groups: readonly string[];
  action: string;
  resource: string;
}

/**
 * `sha256:` and the hash, in hex, of the input as canonical JSON (RFC 8785). The members below stand in canonical order, and of
 * well-formed text JSON.stringify writes what RFC 8785 asks for.
 */
export function inputDigest({ action, ghost, groups, resource, tenant }: DecisionInput): string {
  return `sha256:${hash('sha256', JSON.stringify({ action, ghost_id: ghost, groups, resource, tenant_id: tenant }))}`;
}
