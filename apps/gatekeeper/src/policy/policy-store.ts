import { readFile } from 'node:fs/promises';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { errorMessage } from '#errors';
import { HealthDetails } from '#health';
import { type AgentPrincipal } from '#http';
import { type Logger } from '#logging';
import { LOGGER } from '#service';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { Policy, PolicyError, type Decision } from './policy.js';

const DENY_ALL = 'no-policy';

/** Holds the policy in force. Without one, everything is denied; a bad file never replaces a good policy. */
@Injectable()
export class PolicyStore implements OnModuleInit {
  private policy: Policy | undefined;
  private problem: string | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: GatekeeperConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly health: HealthDetails,
  ) {}

  async onModuleInit(): Promise<void> {
    this.health.add('policy', () => ({
      healthy: this.policy !== undefined,
      loaded: this.policy !== undefined,
      version: this.policy?.version ?? null,
      ...(this.problem && { problem: this.problem }),
    }));
    await this.reload().catch((error: unknown) => this.logger.error({ err: error }, 'no policy: everything is denied'));
  }

  /**
   * Reads the file again and puts it in force.
   *
   * @throws PolicyError with path, line and reason; the policy in force stays
   */
  async reload(): Promise<{ policy: Policy; changed: boolean }> {
    const before = this.policy?.version;
    try {
      const policy = Policy.parse(await readFile(this.config.policyPath, 'utf8'));
      this.policy = policy;
      this.problem = undefined;
      this.logger.info({ policy_version: policy.version, rules: policy.rules.length }, 'policy loaded');
      return { policy, changed: policy.version !== before };
    } catch (error) {
      this.problem = `${this.config.policyPath}: ${errorMessage(error, 0)}`;
      throw new PolicyError(this.problem, { cause: error });
    }
  }

  groupsOf(agent: AgentPrincipal): string[] {
    return this.policy?.groupsOf(agent.ghostId, agent.groups) ?? [];
  }

  decide(groups: readonly string[], action: string, resource: string): Decision {
    return (
      this.policy?.decide(groups, action, resource) ?? {
        allowed: false,
        reason: 'no policy is loaded',
        rule: null,
        policyVersion: DENY_ALL,
      }
    );
  }

  explain(groups: readonly string[], action: string, resource: string): ReturnType<Policy['explain']> {
    return this.policy?.explain(groups, action, resource) ?? [];
  }
}
