import { type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { counterpart, isBehind, readSequences, type ColumnSequence } from './sequences.js';
import { type Difference } from './verification.js';

export interface SequenceCheck {
  checked: number;
  differences: Difference[];
}

/**
 * Sequences that would give a number twice. On the authoritative side: one that is behind its own column. On the other side, whose numbers
 * nobody takes yet, sequences lag behind rows that follow; there it is one that was put back behind where `advanceSequences` left it.
 */
export async function checkSequences(
  move: Move,
  leader: Side,
  tables: Readonly<Record<Side, readonly Table[]>>,
): Promise<SequenceCheck> {
  const { rows: recorded } = await move.databases.target.query<{ side: Side; name: string; position: string }>(
    'SELECT side, name, position FROM decomposition.sequences WHERE service = $1',
    [move.service.name],
  );
  const differences: Difference[] = [];
  let checked = 0;
  for (const side of [leader, otherSide(leader)]) {
    for (const sequence of await readSequences(move.databases[side], tables[side])) {
      checked++;
      if (sequence.cycles) continue;
      const left = recorded.find((one) => one.side === side && one.name === sequence.name);
      if (left && isBehind(sequence, sequence.position, BigInt(left.position)))
        differences.push(behind(sequence, side, `had been advanced to ${left.position}`));
      else if (
        side === leader &&
        sequence.furthest !== null &&
        isBehind(sequence, sequence.position, sequence.furthest)
      )
        differences.push(behind(sequence, side, `column ${sequence.column} holds ${sequence.furthest}`));
    }
  }
  return { checked, differences };
}

/** With both sides standing still: those on `to` have to be as far as the other side's, and as their own columns. */
export async function checkSequencesStill(
  move: Move,
  from: Side,
  tables: Readonly<Record<Side, readonly Table[]>>,
): Promise<Difference[]> {
  const to = otherSide(from);
  const [others, own] = await Promise.all([
    readSequences(move.databases[from], tables[from]),
    readSequences(move.databases[to], tables[to]),
  ]);
  return own.flatMap((sequence) => {
    if (sequence.cycles) return [];
    const other = counterpart(sequence, others);
    if (other && isBehind(sequence, sequence.position, other.position))
      return [behind(sequence, to, `that of the ${from} is at ${other.position}`)];
    if (sequence.furthest !== null && isBehind(sequence, sequence.position, sequence.furthest))
      return [behind(sequence, to, `column ${sequence.column} holds ${sequence.furthest}`)];
    return [];
  });
}

function behind({ name, table, column, position }: ColumnSequence, side: Side, but: string): Difference {
  return {
    table,
    key: null,
    kind: 'sequence',
    detail: `Sequence ${name} of column ${column} is behind in the ${side}: it is at ${position}, and ${but}.`,
    columns: [column],
  };
}
