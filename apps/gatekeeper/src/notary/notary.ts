import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { createPool } from '#database';
import { HealthDetails } from '#health';
import { type Logger } from '#logging';
import { Metrics } from '#metrics';
import { LOGGER } from '#service';
import { tenantOrigin, type NoteSigner, type NoteVerifier } from '#tlog';
import { CONFIG, type GatekeeperConfig } from '../config.js';
import { CheckpointKeeper } from './core/checkpoint-keeper.js';
import { openLogSigner } from './log-signer.js';
import { Sequencer } from './core/sequencer.js';
import { type Outcome } from './core/witness-questions.js';
import { WitnessRounds } from './core/witness-rounds.js';

/** One checkpoint a second under load. */
const INTERVAL_MS = 1000;
const BATCH_SIZE = 10_000;
const CHORE_CONNECTIONS = 2;
const DELAYS = [0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600];

/** Keeps the transparency log while the service runs. That the log does not get on stops nobody else: events wait for it in the trail. */
@Injectable()
export class Notary implements OnModuleInit, OnApplicationShutdown {
  private signer: NoteSigner | undefined;
  private sequencer: Sequencer | undefined;
  private chores: (WitnessRounds | CheckpointKeeper)[] = [];
  private pool: pg.Pool | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: GatekeeperConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly health: HealthDetails,
    private readonly metrics: Metrics,
  ) {}

  /** @throws ConfigError when the log's key cannot be read or made */
  async onModuleInit(): Promise<void> {
    const { name, keyPath } = this.config.transparencyLog;
    this.signer = await openLogSigner(keyPath, name, this.logger);
    const { metrics } = this;
    const events = metrics.counter('tlog_events_total', 'Events that this instance put into a transparency log');
    const age = metrics.histogram(
      'tlog_event_age_seconds',
      'Age of the oldest event when its checkpoint was signed',
      [],
      DELAYS,
    );
    const sequencer = new Sequencer({
      url: this.config.notaryUrl,
      signer: this.signer,
      intervalMs: INTERVAL_MS,
      batchSize: BATCH_SIZE,
      log: this.logger,
      onStep: (step) => {
        events.inc(step.events);
        age.observe(step.delay);
      },
    });
    metrics.gauge('tlog_leader', 'Whether this instance leads the transparency log', () =>
      sequencer.state === 'leader' ? 1 : 0,
    );
    metrics.gauge('tlog_stuck', 'Whether the transparency log does not get on', () => (sequencer.problem ? 1 : 0));
    this.health.add('transparency_log', () => ({
      // An instance that cannot keep the log still decides and records.
      healthy: true,
      state: sequencer.state,
      ...(sequencer.problem !== undefined && { problem: sequencer.problem }),
    }));
    this.sequencer = sequencer;
    sequencer.start();
    this.chores = this.choresOf(sequencer);
    for (const chore of this.chores) chore.start();
  }

  async onApplicationShutdown(): Promise<void> {
    const parts = this.sequencer ? [this.sequencer, ...this.chores] : [];
    await Promise.all(parts.map((part) => part.stop()));
    await this.pool?.end();
  }

  /** What a tenant's checkpoints are signed with. */
  verifierOf(tenant: string): NoteVerifier {
    if (!this.signer) throw new Error('the key of the transparency log is not read yet');
    return this.signer.verifier.named(tenantOrigin(this.signer.name, tenant));
  }

  /** What the leader does beside: on connections of its own, so that the log waits for none of it. */
  private choresOf(sequencer: Sequencer): (WitnessRounds | CheckpointKeeper)[] {
    const { config, logger: log, metrics } = this;
    const pool = createPool(
      config.notaryUrl,
      'gravitas-gatekeeper-notary-chores',
      CHORE_CONNECTIONS,
      (error) => log.warn({ err: error }, 'a connection of the notary pool broke'),
      'writes',
    );
    this.pool = pool;
    const leads = (): boolean => sequencer.state === 'leader';
    const dropped = metrics.counter('tlog_checkpoints_dropped_total', 'Checkpoints older than a day that were dropped');
    const calls = metrics.counter('tlog_witness_calls_total', 'Checkpoints shown to a witness, by what became of it', [
      'witness',
      'outcome',
    ]);
    const { list, intervalMs } = config.witnesses;
    return [
      new CheckpointKeeper({ pool, leads, log, onDropped: (count) => dropped.inc(count) }),
      ...list.map((witness) => {
        const onOutcome = ({ kind }: Outcome) => calls.inc({ witness: witness.name, outcome: kind });
        return new WitnessRounds({ witness, pool, intervalMs, leads, log, onOutcome });
      }),
    ];
  }
}
