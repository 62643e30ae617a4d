import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { ReplicationStream } from './replication/replication-stream.js';
import { type Stream } from './stream.js';

/** What keeps the other side in step, by the strategy that the plan has for the service. Touches nothing yet. */
export function openStream(move: Move, from: Side): Stream {
  const { name, strategy } = move.service;
  if (strategy === 'replication') return new ReplicationStream(move, from);
  throw new SplitError(
    'invalid_plan',
    `The plan asks for strategy ${strategy} for ${name}, which is not there.`,
    'Choose `strategy: replication`.',
  );
}
