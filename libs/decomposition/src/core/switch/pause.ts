import { SplitError } from '../errors.js';
import { type MoveChange, type MoveExpectation } from '../state/move-store.js';
import { awaitPause } from './participants.js';
import { type Run } from './run.js';
import { changeOwn } from './sides.js';

/** How long writes may stand still before a switch is taken back. Milliseconds. */
export const PAUSE_TIMEOUT_MS = 5000;

/** While neither side takes writes. */
export class Pause {
  private began = 0;
  participants = 0;
  /** From the change of state that pauses to the one that ends it. Milliseconds; null before that. */
  ms: number | null = null;

  constructor(
    private readonly run: Run,
    private readonly timeoutMs: number,
  ) {}

  /**
   * @param force go on without those that do not follow: the fence refuses what they still write
   * @throws SplitError `refused` naming who does not pause
   */
  async begin(change: MoveChange, from: MoveExpectation, force = false): Promise<object> {
    this.began = performance.now();
    const { epoch } = await changeOwn(this.run, { ...change, writes: 'paused' }, from);
    // Some of it must be left for the rest.
    const patience = force ? Math.min(1000, this.timeoutMs / 2) : this.timeoutMs * 0.8;
    const { participants, missing } = await awaitPause(this.run.move, epoch, patience);
    this.participants = participants.length;
    const late = missing.map(({ instance }) => instance);
    if (late.length > 0 && !force)
      throw new SplitError(
        'refused',
        `${late.join(', ')} did not pause its writes in ${Math.round(patience)} ms.`,
        'Look for long transactions of it in pg_stat_activity, or stop it, and run the verb again.',
      );
    return { participants: participants.length, ...(late.length > 0 && { late }) };
  }

  /** What is left of it. Whole milliseconds, at least 1. @throws SplitError `timeout` */
  left(): number {
    const left = Math.floor(this.timeoutMs - (performance.now() - this.began));
    if (left < 1)
      throw new SplitError(
        'timeout',
        `Writes have been paused for ${this.timeoutMs} ms.`,
        'Run it again when there is less load, or allow a longer pause.',
      );
    return left;
  }

  /** @returns for the journal */
  end(): object {
    this.ms = Math.round((performance.now() - this.began) * 10) / 10;
    return { pause_ms: this.ms, participants: this.participants };
  }
}
