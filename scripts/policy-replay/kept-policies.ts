import type pg from 'pg';
import {
  NO_POLICY,
  NO_POLICY_VERSION,
  Policy,
  PolicyError,
  type Decider,
} from '../../apps/gatekeeper/src/policy/core/index.js';

/** Decisions stand in the order of time, so that few are needed at once; each may be large. */
const CACHED = 4;

/** What cannot be decided again, and why: the policy of that version is not there, or is another one by now. */
export class PolicyUnknown {
  constructor(readonly problem: string) {}
}

/** The policies that the gatekeeper keeps, by version. Each is checked against its version. */
export class KeptPolicies {
  private readonly cache = new Map<string, Decider | PolicyUnknown>();

  constructor(private readonly client: pg.ClientBase) {}

  async of(version: string): Promise<Decider | PolicyUnknown> {
    const known = this.cache.get(version) ?? (await this.read(version));
    // The one that was used last stands last.
    this.cache.delete(version);
    this.cache.set(version, known);
    const [oldest] = this.cache.keys();
    if (this.cache.size > CACHED && oldest !== undefined) this.cache.delete(oldest);
    return known;
  }

  private async read(version: string): Promise<Decider | PolicyUnknown> {
    if (version === NO_POLICY_VERSION) return NO_POLICY;
    const { rows } = await this.client.query<{ canonical: unknown }>(
      'SELECT canonical FROM access_policies WHERE version = $1',
      [version],
    );
    if (!rows[0]) return new PolicyUnknown('is not among the policies that are kept');
    try {
      const policy = Policy.fromCanonical(rows[0].canonical);
      return policy.version === version ? policy : new PolicyUnknown('was altered: what is kept has another version');
    } catch (error) {
      if (error instanceof PolicyError) return new PolicyUnknown(`was altered: ${error.message}`);
      throw error;
    }
  }
}
