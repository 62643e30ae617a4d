import { type Move } from '../move.js';
import { type Side } from '../side.js';
import { DualWriteStream } from './dual-write/dual-write-stream.js';
import { ReplicationStream } from './replication/replication-stream.js';
import { type Stream } from './stream.js';

/** What keeps the other side in step, by the strategy that the plan has for the service. Touches nothing yet. */
export function openStream(move: Move, from: Side): Stream {
  return move.service.strategy === 'replication' ? new ReplicationStream(move, from) : new DualWriteStream(move, from);
}
