import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HealthDetails } from '#health';
import { Metrics } from '#metrics';
import { PARTICIPATION } from './participation.token.js';
import { type Participation } from '../route/participation.js';

/** Shows in `/health` and in the metrics how this instance takes part in the move. */
@Injectable()
export class SplitReport implements OnModuleInit {
  constructor(
    @Inject(PARTICIPATION) private readonly participation: Participation,
    private readonly health: HealthDetails,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.showHealth();
    this.showReads();
    this.showWrites();
  }

  private showHealth(): void {
    const { participation } = this;
    this.health.add('move', () => {
      const { move, trouble, pausedMs, pauseLimitMs, writingSide, instance } = participation;
      return {
        // While the state cannot be read what was known last counts; only writes that wait for longer than they may are a failure.
        healthy: pausedMs <= pauseLimitMs,
        phase: move?.phase ?? null,
        epoch: move?.epoch ?? 0,
        writes: move?.writes ?? 'source',
        writing_side: writingSide,
        read_percent: move?.readPercent ?? 0,
        paused_ms: Math.round(pausedMs),
        instance,
        ...(trouble && { problem: 'the state of the move cannot be read' }),
      };
    });
  }

  private showReads(): void {
    const { metrics, participation } = this;
    const { stats } = participation;
    metrics.countersFrom('split_reads_total', 'Connections lent for reading, by side', 'side', () => stats.reads);
    metrics.counterFrom(
      'split_shadow_compared_total',
      'Reads compared with the other side',
      () => stats.shadow.compared,
    );
    metrics.counterFrom('split_shadow_different_total', 'Of those, the ones that differ', () => stats.shadow.different);
    metrics.gauge(
      'split_read_percent',
      'Share of reads, by key, that the target serves',
      () => participation.move?.readPercent ?? 0,
    );
  }

  private showWrites(): void {
    const { metrics, participation } = this;
    const { stats } = participation;
    metrics.gauge('split_writes_waiting', 'Writes that wait now', () => participation.report().writes_waiting);
    metrics.counterFrom('split_write_waits_total', 'Writes that had to wait', () => stats.waits.count);
    metrics.counterFrom('split_write_wait_seconds_total', 'Time that they waited', () => stats.waits.sum / 1000);
    metrics.gauge('split_write_wait_seconds_max', 'Longest that one of them waited', () => stats.waits.max / 1000);
    metrics.counterFrom('split_writes_fenced_total', 'Writes that a fence refused', () => stats.fenced);
    metrics.counterFrom(
      'split_dual_failed_halves_total',
      'Halves of dual writes that failed',
      () => stats.failedHalves,
    );
    metrics.gauge('split_paused', 'Whether writes are paused', () => Number(participation.move?.writes === 'paused'));
    metrics.gauge('split_epoch', 'The state of the move that is acted by', () => participation.move?.epoch ?? 0);
    metrics.gauge('split_writes_target', 'Whether the target takes writes: 1 or 0', () =>
      Number(participation.writingSide === 'target'),
    );
  }
}
