import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { otherSide, type Side } from '../side.js';
import { type Comparison } from './comparison.js';
import { type Key } from './key-range.js';
import { keyArrays, rowsByKey } from './row-versions.js';
import { type StandingRow } from './settle.js';
import { type Difference } from './verification.js';

const SHOWN_VALUE = 80;
const SHOWN_COLUMNS = 8;
const ASK_ROWS = 50;

/** Reads rows once more, to say of each in what it differs. */
export async function describeRows(
  databases: Readonly<Record<Side, pg.Pool>>,
  leader: Side,
  comparison: Comparison,
  rows: readonly StandingRow[],
): Promise<Difference[]> {
  const found: Difference[] = [];
  const follower = otherSide(leader);
  for (let start = 0; start < rows.length; start += ASK_ROWS) {
    const some = rows.slice(start, start + ASK_ROWS);
    const keys = some.map(({ key }) => key);
    const [right, wrong] = await Promise.all([
      rowTexts(databases[leader], comparison, keys),
      rowTexts(databases[follower], comparison, keys),
    ]);
    for (const [place, { key, kind }] of some.entries()) {
      const [one, other] = [right.get(place), wrong.get(place)];
      const columns = one && other ? comparison.columns.filter((_, index) => one[index] !== other[index]) : [];
      found.push({
        table: comparison.name,
        key,
        kind,
        detail: sentence(comparison, leader, { key, kind }, one, other),
        ...(kind === 'changed' ? { columns: columns.map(({ name }) => name) } : {}),
      });
    }
  }
  return found;
}

/** @returns by the place of the key: the texts of the compared columns */
export async function rowTexts(
  database: pg.Pool | pg.ClientBase,
  comparison: Comparison,
  keys: readonly Key[],
): Promise<Map<number, (string | null)[]>> {
  const texts = comparison.columns.map(({ name }) => `${escapeIdentifier(name)}::text`);
  const { rows } = await database.query<{ place: string; texts: (string | null)[] }>(
    `SELECT asked.place, r.texts FROM ${rowsByKey(comparison, `ARRAY[${texts.join(', ')}] AS texts`)}`,
    keyArrays(comparison, keys),
  );
  return new Map(rows.map((row) => [Number(row.place) - 1, row.texts]));
}

export function keyText({ key: columns }: Pick<Comparison, 'key'>, key: Key): string {
  return columns.map(({ name }, index) => `${name} ${shown(key[index]!)}`).join(', ');
}

type Texts = readonly (string | null)[] | undefined;

function sentence(
  comparison: Comparison,
  leader: Side,
  { key, kind }: Pick<StandingRow, 'key' | 'kind'>,
  right: Texts,
  wrong: Texts,
): string {
  const follower = otherSide(leader);
  const row = `Row ${keyText(comparison, key)}`;
  if (kind === 'missing') return `${row} is in the ${leader} and missing in the ${follower}.`;
  if (kind === 'extra') return `${row} is in the ${follower} and not in the ${leader}.`;
  if (!right || !wrong) return `${row} differed, and is gone from one side since.`;
  const parts = comparison.columns.flatMap(({ name, type }, index) => {
    const [one, other] = [right[index]!, wrong[index]!];
    if (one === other) return [];
    const values = `${shownBeside(one, other)} in the ${leader}, ${shownBeside(other, one)} in the ${follower}`;
    const apart = /^timestamp/.test(type) ? microsecondsApart(one, other) : undefined;
    return apart === undefined
      ? [`${name} is ${values}`]
      : [`timestamp ${name} differs by ${duration(apart)} (${values})`];
  });
  // Something else wrote to it since.
  if (parts.length === 0) return `${row} differed, and is equal since.`;
  const more = parts.length - SHOWN_COLUMNS;
  return `${row}: ${parts.slice(0, SHOWN_COLUMNS).join('; ')}${more > 0 ? `; and ${more} more columns` : ''}.`;
}

function shown(text: string | null, from = 0): string {
  if (text === null) return 'NULL';
  const end = from + SHOWN_VALUE;
  return `'${from > 0 ? '...' : ''}${text.slice(from, end)}${end < text.length ? '...' : ''}'`;
}

/** Long texts from shortly before where they part. */
function shownBeside(text: string | null, other: string | null): string {
  if (text === null || other === null || Math.max(text.length, other.length) <= SHOWN_VALUE) return shown(text);
  let same = 0;
  while (same < text.length && text[same] === other[same]) same++;
  return shown(text, Math.max(0, same - SHOWN_VALUE / 4));
}

const TIMESTAMP = /^(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/;

/** @returns undefined for what has no number, such as infinity and years before Christ */
export function microsecondsApart(one: string | null, other: string | null): bigint | undefined {
  const [first, second] = [microseconds(one), microseconds(other)];
  if (first === undefined || second === undefined) return undefined;
  return first > second ? first - second : second - first;
}

function microseconds(text: string | null): bigint | undefined {
  const match = TIMESTAMP.exec(text ?? '');
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1000n + BigInt((match[7] ?? '').padEnd(6, '0'));
}

function duration(us: bigint): string {
  if (us < 1000n) return `${us} microsecond${us === 1n ? '' : 's'}`;
  return us < 1_000_000n ? `${Number(us) / 1000} ms` : `${Number(us) / 1_000_000} s`;
}
