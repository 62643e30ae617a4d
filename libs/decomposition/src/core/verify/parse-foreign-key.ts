import { fullName } from '../catalogue/table.js';

const NAME = String.raw`(?:"(?:[^"]|"")+"|[^\s"(),.]+)`;
const LIST = String.raw`\(\s*(${NAME}(?:\s*,\s*${NAME})*)\s*\)`;
const FOREIGN_KEY = new RegExp(
  String.raw`FOREIGN KEY ${LIST} REFERENCES (?:ONLY )?((?:${NAME}\.)?${NAME})\s*${LIST}`,
  'i',
);

/** Reads `FOREIGN KEY (a) REFERENCES t(b)`, as `pg_get_constraintdef` has it, out of a statement. */
export function parseForeignKey(sql: string): { fromColumns: string[]; to: string; toColumns: string[] } | undefined {
  const match = FOREIGN_KEY.exec(sql);
  if (!match) return undefined;
  const [, from = '', to = '', toColumns = ''] = match;
  const [first = '', second] = names(to);
  return {
    fromColumns: names(from),
    to: second === undefined ? fullName({ schema: 'public', name: first }) : fullName({ schema: first, name: second }),
    toColumns: names(toColumns),
  };
}

function names(list: string): string[] {
  return (list.match(new RegExp(NAME, 'g')) ?? []).map((name) =>
    name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name,
  );
}
