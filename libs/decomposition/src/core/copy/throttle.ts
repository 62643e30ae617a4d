import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type CopyAid, type Stream } from '../stream/stream.js';
import { waitUntil } from '../wait-until.js';

const BUSY_TIMEOUT_MS = 15 * 60_000;
const WORK_OFF_TIMEOUT_MS = 60 * 60_000;
const ASK_AGAIN_MS = 100;

/**
 * Lets a worker begin a chunk, or makes it wait: while the source is busy with others, and while it keeps more log for the stream than the
 * plan allows. Waiting alone would not make that less: when all workers have ended their chunks, the stream brings over what there is.
 */
export class Throttle {
  private copying = 0;
  private resting: Promise<void> | undefined;

  constructor(
    private readonly move: Move,
    private readonly stream: Stream,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws SplitError `timeout` when the source stays busy, `refused` when twice as much log is kept as may be */
  async run<T>(chunk: () => Promise<T>): Promise<T> {
    await this.awaitCalm();
    await this.limitLog();
    // Nothing was waited for since nobody was found resting.
    this.copying += 1;
    try {
      return await chunk();
    } finally {
      this.copying -= 1;
    }
  }

  private async awaitCalm(): Promise<void> {
    const { databases, plan, progress } = this.move;
    const limit = plan.copy.max_active_sessions;
    let told = false;
    const isCalm = async (): Promise<boolean> => {
      const { rows } = await databases.source.query<{ active: number }>(
        `SELECT count(*)::int AS active FROM pg_stat_activity
         WHERE state = 'active' AND backend_type = 'client backend' AND application_name NOT LIKE 'gravitas-split%'`,
      );
      const { active } = rows[0]!;
      if (active > limit && !told) {
        told = true;
        progress.note(`The source has ${active} busy sessions, more than ${limit}: copying waits.`);
      }
      return active <= limit;
    };
    await waitUntil(isCalm, {
      what: `the source to have no more than ${limit} busy sessions`,
      next: 'Run it again when there is less to do, or raise copy.max_active_sessions in the plan.',
      timeoutMs: BUSY_TIMEOUT_MS,
      signal: this.signal,
      everyMs: ASK_AGAIN_MS,
    });
  }

  private async limitLog(): Promise<void> {
    const { copyAid } = this.stream;
    let rested = false;
    for (;;) {
      while (this.resting) {
        await this.resting;
        rested = true;
      }
      if (rested || !copyAid) return;
      const { pending } = await copyAid.kept();
      if (this.resting) continue;
      if (pending <= this.limit) return;
      this.resting = this.workOff(copyAid).finally(() => (this.resting = undefined));
    }
  }

  private async workOff(copyAid: CopyAid): Promise<void> {
    const { signal, move, limit } = this;
    move.progress.note('The source keeps much log for this move: copying waits until the stream has brought it over.');
    await waitUntil(async () => this.copying === 0, {
      what: 'the other workers to end their chunks',
      timeoutMs: WORK_OFF_TIMEOUT_MS,
      signal,
    });
    await copyAid.workOff(WORK_OFF_TIMEOUT_MS, limit);
    const { retained } = await copyAid.kept();
    await move.state.journal('copy', 'worked_off', { retained });
    if (retained > 2 * limit)
      throw new SplitError(
        'refused',
        `The source keeps ${retained} bytes of log for this move, more than twice copy.max_retained_wal (${limit}), although the stream has brought over what there was.`,
        'Look for long transactions in pg_stat_activity (xact_start), or raise the limit in the plan; then run it again: what is copied stays.',
      );
  }

  private get limit(): number {
    return this.move.plan.copy.max_retained_wal;
  }
}
