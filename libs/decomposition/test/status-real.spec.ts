import { afterEach, expect, it } from '@jest/globals';
import { copy } from '../src/core/copy/copy.js';
import { verbs } from '../src/core/library.js';
import { type MoveStatus } from '../src/core/status/move-status.js';
import { status } from '../src/core/status/status.js';
import { statusText } from '../src/core/status/status-text.js';
import { patiently } from './support/patiently.js';
import { realMove, type RealMove } from './support/real-move.js';
import { joinMove, type WritingParticipant } from './support/writing-participant.js';

let real: RealMove;
let participant: WritingParticipant | undefined;
afterEach(async () => {
  await participant?.close();
  participant = undefined;
  await real.drop();
});

const now = (): Promise<MoveStatus> => status(real.move, { openStream: verbs.openStream });
const FENCED = { source: [], target: ['public.note'] };
const dryRun = false;
const pauseTimeoutMs = 20_000;
/** What a machine that stands still for seconds makes late is not late for longer. */
const LATE_MS = 20_000;

it.each(['replication', 'dual-write'])(
  'tells how a move by %s stands, in each of its phases',
  async (strategy) => {
    real = await realMove({
      source: `CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note SELECT n, 'x' FROM generate_series(1, 300) n; ANALYZE`,
      tables: ['note'],
      service: { strategy },
    });
    expect(await now()).toMatchObject({ phase: null, problems: [], next: 'create', lag_s: null });
    await verbs.create(real.move, { dryRun, passwords: () => 'not-used-by-anyone', migrate: async () => undefined });
    expect(await now()).toMatchObject({ phase: 'created', problems: [], next: 'copy', lag_s: null, fenced: FENCED });
    await copy(real.move, { until: 'copied' });
    expect(await now()).toMatchObject({
      ...{ phase: 'copying', problems: [], next: 'copy', rows_copied: 300, chunks: { done: 1, total: 1 } },
    });
    await verbs.copy(real.move);
    participant = await joinMove(real.urls);
    await expectFollowed({ phase: 'in_step', next: 'verify', blocks: ['not verified'], rows_total: 300 });
    await verbs.verify(real.move, { full: false, repair: false });
    await expectFollowed({ next: 'switch-reads --percent 10', blocks: [], fenced: FENCED });
    await patiently(() => verbs.switchReads(real.move, { percent: 100, dryRun }));
    await expectFollowed({ next: 'switch-writes', blocks: [], read_percent: 100 });
    await patiently(() => verbs.switchWrites(real.move, { dryRun, pauseTimeoutMs }));
    const fenced = { source: ['public.note'], target: [] };
    await expectFollowed({ phase: 'switched', writes: 'target', next: 'complete', blocks: [], fenced });
    await patiently(() => verbs.reverse(real.move, { dryRun, pauseTimeoutMs }));
    await expectFollowed({ phase: 'in_step', writes: 'source', read_percent: 0, fenced: FENCED });
    await patiently(() => verbs.switchWrites(real.move, { dryRun, pauseTimeoutMs }));
    await patiently(() => verbs.complete(real.move, { dryRun, now: true }));
    const end = await now();
    expect(end).toMatchObject({ phase: 'completed', next: null, blocks: [], lag_s: null });
    expect(statusText([end])).toMatch(/^thing +completed +target/m);
  },
  180_000,
);

async function expectFollowed(expected: Partial<MoveStatus>): Promise<void> {
  for (const deadline = Date.now() + LATE_MS; ;)
    try {
      const found = await now();
      expect(found).toMatchObject({ problems: [], ...expected });
      expect(found.lag_s).toBeGreaterThanOrEqual(0);
      expect(found.lag_s).toBeLessThan(5);
      expect(found.strategy === 'replication' ? found.retained_wal_bytes : found.pending_changes).not.toBeNull();
      expect(found.participants).toMatchObject([{ alive: true, paused: false }]);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
}
