/** What is revoked: one token by its `jti`, or all tokens of a ghost that were issued until then. */
export type RevocationKind = 'jti' | 'ghost';

export interface Revocation {
  tenantId: string;
  kind: RevocationKind;
  value: string;
  revokedAt: Date;
}

/** What a token says of itself, as far as it matters here. `issuedAt` is in seconds since the epoch. */
export interface RevocableToken {
  tenantId: string;
  ghostId: string;
  jti: string | undefined;
  issuedAt: number | undefined;
}

type OfTenant = Record<RevocationKind, Map<string, number>>;

/** What was revoked, in memory, by tenant. Holds as much as the table, which is bounded where revocations are taken. */
export class RevocationList {
  private tenants = new Map<string, OfTenant>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  sizeOf(tenantId: string): number {
    const tenant = this.tenants.get(tenantId);
    return tenant ? tenant.jti.size + tenant.ghost.size : 0;
  }

  has({ tenantId, kind, value }: Omit<Revocation, 'revokedAt'>): boolean {
    return this.tenants.get(tenantId)?.[kind].has(value) ?? false;
  }

  /** A later revocation of the same wins; an earlier one changes nothing. */
  add({ tenantId, kind, value, revokedAt }: Revocation): void {
    let tenant = this.tenants.get(tenantId);
    if (!tenant) this.tenants.set(tenantId, (tenant = { jti: new Map(), ghost: new Map() }));
    const before = tenant[kind].get(value);
    if (before === undefined) this.count++;
    tenant[kind].set(value, Math.max(before ?? 0, revokedAt.getTime()));
  }

  /** All that there is, and nothing else. */
  replace(revocations: readonly Revocation[]): void {
    this.tenants = new Map();
    this.count = 0;
    for (const revocation of revocations) this.add(revocation);
  }

  /** @returns undefined when nothing speaks against the token */
  reasonAgainst({ tenantId, ghostId, jti, issuedAt }: RevocableToken): string | undefined {
    const tenant = this.tenants.get(tenantId);
    if (!tenant) return undefined;
    if (jti !== undefined && tenant.jti.has(jti)) return 'the token is revoked';
    const ghostRevokedAt = tenant.ghost.get(ghostId);
    if (ghostRevokedAt === undefined) return undefined;
    return issuedAt === undefined || issuedAt * 1000 <= ghostRevokedAt ? 'the ghost is revoked' : undefined;
  }
}
