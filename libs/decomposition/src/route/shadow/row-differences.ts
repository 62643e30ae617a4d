/** The rows of each statement of a read. */
export type Answers = readonly (readonly unknown[])[];

/** Statement, side that has it, the row as JSON, and which of several equal ones: one string. */
export type RowDifference = string;

/** Rows that one side has and the other has not, whatever their order. */
export function rowDifferences(here: Answers, there: Answers): Set<RowDifference> {
  const [ours, theirs] = [named(here), named(there)];
  const apart = [...ours].filter((row) => !theirs.has(row)).map((row) => `here ${row}`);
  return new Set(apart.concat([...theirs].filter((row) => !ours.has(row)).map((row) => `there ${row}`)));
}

function named(answers: Answers): Set<string> {
  const seen = new Map<string, number>();
  const names = new Set<string>();
  for (const [place, rows] of answers.entries())
    for (const row of rows) {
      const text = `${place} ${JSON.stringify(row)}`;
      const times = (seen.get(text) ?? 0) + 1;
      seen.set(text, times);
      names.add(`${text} ${times}`);
    }
  return names;
}
