import { type Move } from '../move.js';
import { readInstances } from '../state/instances.js';
import { type JournalStep, type MoveStatus } from './move-status.js';

/** What the target keeps of a move besides its state. */
export type Kept = Pick<MoveStatus, 'rows_copied' | 'chunks' | 'differences_open' | 'participants' | 'last_steps'>;

const STEPS = 5;

const COUNTS = `
  SELECT
    (SELECT coalesce(sum(rows) FILTER (WHERE done_at IS NOT NULL), 0)::float8 FROM decomposition.chunks WHERE service = $1) AS copied,
    (SELECT count(*)::float8 FROM decomposition.chunks WHERE service = $1) AS chunks,
    (SELECT count(*)::float8 FROM decomposition.chunks WHERE service = $1 AND done_at IS NOT NULL) AS done,
    (SELECT count(*)::float8 FROM decomposition.differences WHERE service = $1 AND repaired_at IS NULL) AS open`;

const JOURNAL = 'SELECT verb, step, at FROM decomposition.journal WHERE service = $1 ORDER BY id DESC LIMIT $2';

export async function readKept({ databases: { target }, service: { name } }: Move): Promise<Kept> {
  const { rows: counts } = await target.query<{ copied: number; chunks: number; done: number; open: number }>(COUNTS, [
    name,
  ]);
  const { copied, chunks, done, open } = counts[0]!;
  const instances = await readInstances(target, name);
  const { rows: steps } = await target.query<JournalStep>(JOURNAL, [name, STEPS]);
  return {
    rows_copied: copied,
    chunks: { done, total: chunks },
    differences_open: open,
    participants: instances.map(({ startedAt: _, stats: __, ...rest }) => rest),
    last_steps: steps,
  };
}
