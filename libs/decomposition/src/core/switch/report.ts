import { type Gate } from './gates.js';
import { type Pause } from './pause.js';
import { type Run, type StepTime } from './run.js';

/**
 * - `nothing`: it was as wished already, or it was a dry run
 * - `switched`, `reversed`: writes go to the other side now
 * - `taken_back`: a switch that was cut short is undone
 * - `reads_back`: reads go to the source again
 */
export type Did = 'nothing' | 'switched' | 'reversed' | 'taken_back' | 'reads_back';

export interface SwitchReport {
  did: Did;
  /** What a dry run would do; empty otherwise. */
  would: string;
  gates: readonly Gate[];
  /** How long neither side took writes; null when they were not paused. Milliseconds. */
  pause_ms: number | null;
  /** Instances that paused and went on; null when nothing was paused. */
  participants: number | null;
  steps: readonly StepTime[];
}

export function reportOf(run: Run | undefined, did: Did, gates: readonly Gate[], pause?: Pause): SwitchReport {
  return {
    did,
    would: '',
    gates,
    pause_ms: pause?.ms ?? null,
    participants: pause ? pause.participants : null,
    steps: run?.times ?? [],
  };
}
