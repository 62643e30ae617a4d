import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { counterpart, isBehind, readSequences } from './sequences.js';

/**
 * Puts each sequence of the moved tables on the side `to` where the other side's is, or at the furthest number that its column
 * holds there, whichever is further: the next number is a new one. Never puts one back, so it may be repeated; remembers the positions, which
 * `verify` then holds the sequences to.
 *
 * @returns the names of those that it moved
 */
export async function advanceSequences(move: Move, to: Side): Promise<string[]> {
  const read = async (side: Side): Promise<Awaited<ReturnType<typeof readSequences>>> =>
    readSequences(move.databases[side], await move.tables(side));
  const [own, others] = await Promise.all([read(to), read(otherSide(to))]);
  const moved: string[] = [];
  for (const sequence of own) {
    const other = counterpart(sequence, others);
    let position = sequence.position;
    for (const wanted of [other?.position, sequence.furthest])
      if (wanted != null && (isBehind(sequence, position, wanted) || sequence.cycles)) position = wanted;
    if (position !== sequence.position) {
      // Only while it is still behind: it may have gone on.
      const compare = sequence.cycles ? 'IS NOT NULL' : sequence.increment > 0n ? '< $2::bigint' : '> $2::bigint';
      await move.databases[to].query(
        `SELECT setval($1::regclass, $2::bigint, true) FROM ${sequence.name}
         WHERE CASE WHEN is_called THEN last_value ELSE last_value - $3::bigint END ${compare}`,
        [sequence.name, String(position), String(sequence.increment)],
      );
      moved.push(sequence.name);
    }
    await move.databases.target.query(
      `INSERT INTO decomposition.sequences (service, side, name, position) VALUES ($1, $2, $3, $4)
       ON CONFLICT (service, side, name) DO UPDATE SET position = excluded.position, at = now()`,
      [move.service.name, to, sequence.name, String(position)],
    );
  }
  return moved;
}
