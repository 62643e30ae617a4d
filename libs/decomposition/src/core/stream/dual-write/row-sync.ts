import pg from 'pg';
import { fullName, quoted, writable, type Table } from '../../catalogue/table.js';
import { SplitError } from '../../errors.js';
import { byColumn, rowStatements, type RowStatements, type RowText } from './row-statements.js';

/** Keys that could not be made equal now, and why, in the words of the last of them. */
export interface Unequal {
  keys: string[][];
  cause?: unknown;
}

const PAGE = 500;
/** SQLSTATE class 08 (connection), 57 (operator intervention), and what has none: not a matter of the rows. */
const NOT_THE_ROWS = /^(08|57)/;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * For both sessions. Rows are never waited for (SKIP LOCKED); this is for whole tables (TRUNCATE, an index that is being made), and for
 * a key that another transaction has put in and not committed. Less than deadlock_timeout, so that it is never an application's write
 * that is given up.
 */
export const PATIENCE = 'SET lock_timeout = 200; SET statement_timeout = 60000';
export const NO_PATIENCE = 'RESET lock_timeout; RESET statement_timeout';

/** Makes rows of one table on the receiving side what they are on the side that is followed. */
export class RowSync {
  private readonly there: RowStatements;
  private readonly here: RowStatements;
  private readonly width: number;
  private readonly keyWidth: number;
  private readonly begin: string;

  /**
   * @param followed a session with PATIENCE
   * @param receiver the session that holds the right to write: what it does is undone if it loses that. With PATIENCE
   */
  constructor(
    private readonly followed: pg.ClientBase,
    private readonly receiver: pg.ClientBase,
    from: Table,
    to: Table,
  ) {
    const columns = writable(from).map(({ name }) => name);
    const missing = columns.filter((name) => !writable(to).some((column) => column.name === name));
    if (missing.length > 0)
      throw new SplitError(
        'invalid_plan',
        `${fullName(to)} has no column ${missing.join(', ')} to write on the other side.`,
        'Make the tables of both sides alike.',
      );
    this.there = rowStatements(from, columns);
    this.here = rowStatements(to, columns);
    this.begin = `BEGIN; SET LOCAL session_replication_role = replica; LOCK TABLE ${quoted(to)} IN ROW EXCLUSIVE MODE`;
    this.width = columns.length;
    this.keyWidth = from.key.length;
  }

  /** Keys may come twice. @throws what is not a matter of single rows, such as a lost connection */
  async equalise(keys: readonly string[][]): Promise<Unequal> {
    const unequal: Unequal = { keys: [] };
    for (let at = 0; at < keys.length; at += PAGE) {
      const found = await this.some(keys.slice(at, at + PAGE));
      unequal.keys.push(...found.keys);
      unequal.cause = found.cause ?? unequal.cause;
    }
    return unequal;
  }

  /**
   * All rows: those of the followed side, then those of the receiving side, which may have more. Each in its own order: none is shared,
   * as collations may differ. @param goOn when it says no, the last key counts as one that is not equal
   */
  async equaliseAll(goOn: () => boolean): Promise<Unequal> {
    const unequal: Unequal = { keys: [] };
    for (const [database, statements] of [
      [this.followed, this.there],
      [this.receiver, this.here],
    ] as const)
      for (let after: string[] | undefined; ;) {
        if (!goOn()) return { ...unequal, keys: [...unequal.keys, after ?? []] };
        const page = await unlessLocked(() =>
          database.query<{ key: string[] }>(after ? statements.keysAfter(PAGE) : statements.firstKeys(PAGE), after),
        );
        if ('cause' in page) return { keys: [...unequal.keys, after ?? []], cause: page.cause };
        const { rows } = page.result;
        if (rows.length === 0) break;
        const found = await this.some(rows.map(({ key }) => key));
        unequal.keys.push(...found.keys);
        unequal.cause = found.cause ?? unequal.cause;
        after = rows.at(-1)!.key;
      }
    return unequal;
  }

  /** When rows are refused together, halves of them are tried, down to the one that it is about. */
  private async some(keys: readonly string[][]): Promise<Unequal> {
    try {
      return await this.once(keys);
    } catch (error) {
      const code = error instanceof pg.DatabaseError ? (error.code ?? '08') : '08';
      if (NOT_THE_ROWS.test(code)) throw error;
      if (keys.length === 1) return { keys: [...keys], cause: error };
      const half = keys.length >> 1;
      const parts = [await this.some(keys.slice(0, half)), await this.some(keys.slice(half))];
      return { keys: parts.flatMap((part) => part.keys), cause: parts[1]!.cause ?? parts[0]!.cause };
    }
  }

  private async once(keys: readonly string[][]): Promise<Unequal> {
    const wanted = await unlessLocked(() => this.read(this.followed, this.there, keys));
    if ('cause' in wanted) return { keys: [...keys], cause: wanted.cause };
    try {
      const begun = await unlessLocked(() => this.receiver.query(this.begin));
      const left = 'cause' in begun ? { keys: [...keys], cause: begun.cause } : await this.put(keys, wanted.result);
      await this.receiver.query('COMMIT');
      return left;
    } catch (error) {
      await this.receiver.query('ROLLBACK');
      throw error;
    }
  }

  private async put(keys: readonly string[][], wanted: ReadonlyMap<number, RowText>): Promise<Unequal> {
    const actual = await this.read(this.receiver, this.here, keys);
    const differ = keys.map((_, place) => place).filter((place) => !same(wanted.get(place), actual.get(place)));
    if (differ.length === 0) return { keys: [] };
    return this.write(
      differ.map((place) => ({ key: keys[place]!, wanted: wanted.get(place), present: actual.has(place) })),
    );
  }

  /**
   * All are taken away before any is put in, so that values of unique columns may move among them. A row that a row of another key
   * keeps out stays away for now: that one's own change is logged too, and its turn comes.
   */
  private async write(
    changes: readonly { key: string[]; wanted: RowText | undefined; present: boolean }[],
  ): Promise<Unequal> {
    const { rows: free } = await this.receiver.query<{ place: number }>(
      this.here.lock,
      byColumn(
        changes.map(({ key }) => key),
        this.keyWidth,
      ),
    );
    const locked = new Set(free.map(({ place }) => place));
    const mine = changes.filter(({ present }, place) => !present || locked.has(place));
    const left = changes.filter((change) => !mine.includes(change)).map(({ key }) => key);
    await this.receiver.query(
      this.here.remove,
      byColumn(
        mine.map(({ key }) => key),
        this.keyWidth,
      ),
    );
    const rows = mine.flatMap(({ wanted }) => (wanted ? [wanted.values] : []));
    if (rows.length === 0) return { keys: left };
    const { rows: put } = await this.receiver.query<{ key: string[] }>(this.here.insert, byColumn(rows, this.width));
    const there = new Set(put.map(({ key }) => JSON.stringify(key)));
    const kept = mine.filter(({ wanted }) => wanted && !there.has(JSON.stringify(wanted.key))).map(({ key }) => key);
    return { keys: [...left, ...kept] };
  }

  private async read(
    database: pg.ClientBase,
    statements: RowStatements,
    keys: readonly string[][],
  ): Promise<Map<number, RowText>> {
    const { rows } = await database.query<RowText & { place: number }>(statements.read, byColumn(keys, this.keyWidth));
    return new Map(rows.map((row) => [row.place, row]));
  }
}

/** A table that others hold is no matter of single rows, either: all of them have to wait. */
async function unlessLocked<T>(ask: () => Promise<T>): Promise<{ result: T } | { cause: unknown }> {
  try {
    return { result: await ask() };
  } catch (error) {
    if ((error as { code?: string }).code === LOCK_NOT_AVAILABLE) return { cause: error };
    throw error;
  }
}

function same(one: RowText | undefined, other: RowText | undefined): boolean {
  if (!one || !other) return one === other;
  return one.values.every((value, i) => value === other.values[i]);
}
