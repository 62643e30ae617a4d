import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type MoveState } from '../state/move-state.js';
import { type MoveChange, type MoveExpectation } from '../state/move-store.js';
import { awaitPause } from './participants.js';

/** How long writes may stand still before a switch is taken back. Milliseconds. */
export const PAUSE_TIMEOUT_MS = 5000;

/** While neither side takes writes. */
export class Pause {
  private began = 0;
  /** Of the state that paused. */
  epoch = 0;
  participants = 0;
  /** From the change of state that pauses to the one that ends it. Milliseconds; null before that. */
  ms: number | null = null;

  constructor(
    private readonly move: Move,
    private readonly timeoutMs: number,
  ) {}

  /**
   * @param force go on without those that do not follow: the fence refuses what they still write
   * @throws SplitError `refused` naming who does not pause
   */
  async begin(change: MoveChange, from: MoveExpectation, force = false): Promise<object> {
    this.began = performance.now();
    const { epoch } = await this.move.state.change({ ...change, writes: 'paused' }, from);
    this.epoch = epoch;
    // Some of it must be left for the rest.
    const patience = force ? Math.min(1000, this.timeoutMs / 2) : this.timeoutMs * 0.8;
    const { participants, missing } = await awaitPause(this.move, epoch, patience);
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

  /** What is left of it. Milliseconds, at least 1. @throws SplitError `timeout` */
  left(): number {
    const left = this.timeoutMs - (performance.now() - this.began);
    if (left < 1)
      throw new SplitError(
        'timeout',
        `Writes have been paused for ${this.timeoutMs} ms.`,
        'Run it again when there is less load, or allow a longer pause.',
      );
    return left;
  }

  end(state: MoveState): MoveState {
    this.ms = Math.round((performance.now() - this.began) * 10) / 10;
    return state;
  }
}
