import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { otherSide } from '../side.js';
import { type Stream } from '../stream/stream.js';
import { catchUpPatiently } from './catch-up-patiently.js';

const SETTLE_TIMEOUT_MS = 10 * 60_000;
/** Compares all rows, and repairs those of the side that follows. */
export type Mend = (move: Move) => Promise<{
  /** What could not be repaired. */
  differences: readonly { table: string; kind: string; detail: string }[];
  repaired: number;
}>;

/** Kinds of differences that are about rows. */
const OF_ROWS: ReadonlySet<string> = new Set(['missing', 'extra', 'changed']);

/**
 * For a stream that has missed changes, because the server gave up what they were kept in: follows anew from now on, and makes
 * the side that follows equal by comparing all rows. Until it is, no switch is possible in either direction. Whoever is killed runs
 * it again.
 *
 * @throws SplitError `different` when rows differ all the same, `timeout`, `interrupted`
 */
export async function followAnew(move: Move, stream: Stream, mend: Mend): Promise<void> {
  const { state, service, progress } = move;
  const follower = otherSide(stream.from);
  progress.note(
    `The ${follower} has missed changes of the ${stream.from}: it follows anew, and all rows are compared.`,
  );
  await state.missed();
  await stream.end();
  await stream.capture();
  await stream.start({ afterCopy: true });
  await catchUpPatiently(move, stream);
  const { differences, repaired } = await mend(move);
  const standing = differences.filter(({ kind }) => OF_ROWS.has(kind));
  if (standing.length > 0)
    throw new SplitError(
      'different',
      `${standing.length} rows of ${service.name} differ all the same, such as in ${standing[0]!.table}: ${standing[0]!.detail}`,
      'Mend what is said there on the side that follows, and run `copy` again.',
    );
  await stream.copyAid?.settle(SETTLE_TIMEOUT_MS);
  await state.madeEqual();
  await state.journal('copy', 'followed_anew', { follower, repaired });
  progress.note(`The ${follower} is equal again; ${repaired} rows were repaired.`);
}
