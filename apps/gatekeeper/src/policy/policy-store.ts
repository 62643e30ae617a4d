import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { settleWithin } from '#batching';
import { errorMessage, ServiceError } from '#errors';
import { HealthDetails } from '#health';
import { type AgentPrincipal } from '#http';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import {
  compilePolicy,
  NO_POLICY,
  PolicyError,
  PolicySource,
  SourceWatch,
  type Decider,
  type Decision,
  type Policy,
} from './core/index.js';
import { PolicyArchive } from './policy-archive.js';
import { nameOf, PolicyTrail, type LoadCause } from './policy-trail.js';
import { Turns } from './turns.js';

export interface Loaded {
  policy: Policy;
  changed: boolean;
}

/** Why the file is not what is in force. */
interface Trouble {
  problem: string;
  since: Date;
}

const CLOSE_MS = 1000;

/**
 * Holds the policy in force, and puts another in its place: in one assignment, once it is compiled, kept by its version and recorded.
 * Without one, everything is denied; a bad file never replaces a good policy.
 */
@Injectable()
export class PolicyStore implements OnApplicationBootstrap, OnModuleDestroy {
  private policy: Policy | undefined;
  private loadedAt: Date | undefined;
  private trouble: Trouble | undefined;
  /** The state of the file that was dealt with last; undefined when it has to be dealt with again. */
  private known: string | undefined;
  private readonly turns = new Turns();
  private readonly source: PolicySource;
  private readonly watch: SourceWatch;
  private readonly counts = { succeeded: 0, failed: 0 };

  constructor(
    @Inject(CONFIG) private readonly config: GatekeeperConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly archive: PolicyArchive,
    private readonly trail: PolicyTrail,
    health: HealthDetails,
    metrics: Metrics,
  ) {
    this.source = new PolicySource(config.policyPath);
    this.watch = new SourceWatch({
      source: this.source,
      isKnown: (signature) => signature === this.known,
      onChange: () => this.tryLoad({ source: 'watch' }),
    });
    health.add('policy', () => ({ healthy: this.policy !== undefined, ...this.state() }));
    metrics.gauge('policy_rules', 'Rules of the policy in force', () => this.policy?.rules.length ?? 0);
    metrics.counterFrom('policy_loads_total', 'Policies that came into force', () => this.counts.succeeded);
    metrics.counterFrom('policy_refusals_total', 'Policy files that were refused', () => this.counts.failed);
  }

  /** Not earlier: what is recorded needs the months that others make when they start. */
  async onApplicationBootstrap(): Promise<void> {
    await this.tryLoad({ source: 'boot' });
    // So that the first requests find the queue as empty as it is configured to be large.
    await this.trail.written();
    if (this.config.policyWatch) await this.watch.start();
  }

  async onModuleDestroy(): Promise<void> {
    await settleWithin(Promise.all([this.watch.close(), this.turns.over()]), CLOSE_MS);
  }

  /** Answers from the policy in force at this moment, also when another comes into force meanwhile. */
  get current(): Decider {
    return this.policy ?? NO_POLICY;
  }

  /**
   * Reads the file again and puts it in force.
   *
   * @throws PolicyError with path, line and reason; the policy in force stays
   * @throws ServiceError unavailable (`policy_not_kept`, `audit_unavailable`, `policy_busy`); the policy in force stays
   */
  reload(cause: LoadCause): Promise<Loaded> {
    return this.turns.take(() => this.load(cause));
  }

  groupsOf(agent: AgentPrincipal): string[] {
    return this.current.groupsOf(agent.ghostId, agent.groups);
  }

  decide(groups: readonly string[], action: string, resource: string): Decision {
    return this.current.decide(groups, action, resource);
  }

  private async tryLoad(cause: LoadCause): Promise<void> {
    // It is logged, recorded and in health already.
    await this.reload(cause).catch(() => undefined);
  }

  private async load(cause: LoadCause): Promise<Loaded> {
    let candidate: Policy | undefined;
    try {
      const reading = await this.source.read();
      this.known = reading.signature;
      if ('problem' in reading) throw reading.problem;
      candidate = await compilePolicy(reading.bytes);
      const changed = candidate.version !== this.policy?.version;
      if (changed) await this.putInForce(candidate, cause);
      this.settled();
      return { policy: candidate, changed };
    } catch (error) {
      // What is not the file's fault may go better the next time.
      if (!(error instanceof PolicyError)) this.known = undefined;
      throw await this.refuse(error, candidate, cause);
    }
  }

  private async putInForce(policy: Policy, cause: LoadCause): Promise<void> {
    await this.archive.keep(policy, cause.source, nameOf(cause)).catch((error: unknown) => {
      const detail = 'The policy cannot be kept in the database at the moment; the one in force stays';
      throw new ServiceError('unavailable', 'policy_not_kept', detail, { cause: error, retryAfter: 5 });
    });
    await this.trail.comesIntoForce(this.change(policy), cause);
    this.policy = policy;
    this.loadedAt = new Date();
    this.counts.succeeded++;
    this.logger.info(
      { policy_version: policy.version, rules: policy.rules.length, source: cause.source },
      'policy loaded',
    );
  }

  private settled(): void {
    if (this.trouble) this.logger.info({ policy_version: this.policy?.version }, 'the policy file is good again');
    this.trouble = undefined;
  }

  /** Told once, however often the same is found; recorded each time that somebody asked for it. */
  private async refuse(error: unknown, candidate: Policy | undefined, cause: LoadCause): Promise<Error> {
    const problem = `${this.source.path}: ${errorMessage(error, 0)}`;
    const news = problem !== this.trouble?.problem;
    this.trouble = { problem, since: this.trouble?.since ?? new Date() };
    if (news || cause.source === 'reload') {
      this.counts.failed++;
      await this.trail.refused(problem, this.change(candidate), cause);
    }
    if (news)
      this.logger.error(
        { err: error, policy_version: this.policy?.version ?? null },
        this.policy ? 'the policy file is refused; the policy in force stays' : 'no policy: everything is denied',
      );
    return error instanceof PolicyError ? new PolicyError(problem, error.place, { cause: error }) : (error as Error);
  }

  private change(policy: Policy | undefined) {
    return {
      path: this.source.path,
      oldVersion: this.policy?.version ?? null,
      newVersion: policy?.version ?? null,
      rules: policy?.rules.length ?? null,
    };
  }

  private state() {
    return {
      loaded: this.policy !== undefined,
      version: this.policy?.version ?? null,
      rules: this.policy?.rules.length ?? 0,
      loaded_at: this.loadedAt?.toISOString() ?? null,
      ...(this.trouble && { problem: this.trouble.problem, problem_since: this.trouble.since.toISOString() }),
    };
  }
}
