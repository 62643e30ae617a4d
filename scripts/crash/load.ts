import { AUDIT_RESULTS, type AuditRecord } from '#contracts';
import { type Random } from './random.js';

const GHOSTS = ['Scout', 'Librarian', 'Courier', 'Supervisor'] as const;
const RESOURCES = ['shells/l1/echo', 'shells/l2/gemma2:27b', 'shells/l3/gemini-1.5-pro'] as const;
const TEXTS = ['a word of ASCII ', 'ein Wort für Ümläute ', 'слово ', '言葉 ', '🗝️ '] as const;
const LARGE_SHARE = 0.02;
const LARGE_CHARACTERS = 30_000;

/** How many events one turn of the event loop records: a few mostly, up to 200 now and then. */
export function turnSize(random: Random): number {
  return random.chance(0.7) ? random.integer(1, 20) : random.integer(1, 200);
}

/** What a decision of the gatekeeper is recorded as; one in fifty carries as much metadata as it may. */
export function randomRecord(random: Random): AuditRecord {
  const text = random.pick(TEXTS);
  const large = random.chance(LARGE_SHARE);
  return {
    ghost_id: random.pick(GHOSTS),
    shell_id: random.chance(0.5) ? 'echo' : null,
    action: 'execute',
    resource: random.pick(RESOURCES),
    result: random.pick(AUDIT_RESULTS),
    reason: `group scout may execute shells/l1/* ${text}`,
    request_id: `crash-${random.integer(0, 2 ** 32 - 1)}`,
    metadata: {
      groups: ['scout'],
      rule: { action: 'execute', resource: 'shells/l1/*' },
      request: { complexity: random.integer(1, 10) },
      ...(large && { text: text.repeat(random.integer(1, LARGE_CHARACTERS / text.length)) }),
    },
  };
}
