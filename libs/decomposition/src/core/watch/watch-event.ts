import { type Phase, type Writes } from '../state/move-state.js';
import { type Decision, type Reading } from './watch.js';

/** What cannot be read, or done, at the moment. */
export type Trouble = 'target' | 'lag' | 'journal' | 'reconciler' | 'partitions';

/** Each may become a line of a log. */
export type WatchEvent = { at: Date; service: string } & (
  | { event: 'began'; phase: Phase | null; action: 'reverse' | 'alert' }
  | { event: 'window'; phase: Phase; writes: Writes; instances: number; readings: readonly Reading[] }
  | { event: 'fired'; action: 'reverse' | 'alert'; decisions: readonly Decision[] }
  | { event: 'reversed'; ms: number }
  | { event: 'reverse_failed'; ms: number; message: string; next: string }
  /** Made on the side that follows. */
  | { event: 'followed'; made: readonly string[] }
  | { event: 'trouble'; what: Trouble; message: string }
  | { event: 'recovered'; what: Trouble }
);

/** Without the part that the sender fills in. */
export type WatchNews = WatchEvent extends infer E ? (E extends WatchEvent ? Omit<E, 'at' | 'service'> : never) : never;

/** As JSON can have it, in which there is no `Infinity`: that becomes a text. */
export function plainJson<T extends object>(value: T): object {
  const finite = (_: string, item: unknown): unknown => (item === Infinity ? 'Infinity' : item);
  return JSON.parse(JSON.stringify(value, finite)) as object;
}
