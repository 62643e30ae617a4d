import { type Move } from '../move.js';
import { type Side } from '../side.js';

/** Lets the service itself see to what its rows alone do not carry over, on the side that takes the writes next. */
export async function takeOver(move: Move, to: Side): Promise<void> {
  const { takeover } = move.service;
  if (takeover !== undefined) await move.databases[to].query(`SELECT ${takeover.call}()`);
}
