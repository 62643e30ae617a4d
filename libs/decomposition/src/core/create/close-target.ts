import { fence } from '../fence/fence.js';
import { type Move } from '../move.js';

/** Fences the target's tables, as they are to be until the switch. Idempotent; partitions made since are fenced, too. */
export async function closeTarget(move: Move): Promise<void> {
  await fence(move.databases.target, await move.tables('target'), {
    reason: 'the move has not switched yet',
    dual: move.service.strategy === 'dual-write',
  });
}
