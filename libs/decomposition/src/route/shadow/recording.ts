import type pg from 'pg';

/** A statement of a read, and what it was answered. */
export interface RecordedStatement {
  text: string;
  values: readonly unknown[];
  rows: readonly unknown[];
}

/** What only reads, or says how to. */
const READS = /^\s*(select|with|table|values|begin|start\s+transaction|set|commit|rollback|end)\b/i;
/** Answered otherwise each time, or not without effect. */
const UNSTEADY =
  /\b(now\s*\(|clock_timestamp|statement_timestamp|transaction_timestamp|current_timestamp|current_date|current_time|localtime|random|gen_random_uuid|uuidv[47]|nextval|currval|pg_\w+\s*\(|txid_\w+|current_user|session_user|current_database|version\s*\(|for\s+(update|share|no\s+key\s+update|key\s+share)|insert\s+into|delete\s+from|update\s+\S+\s+set)/i;
const MAX_STATEMENTS = 20;
const MAX_ROWS = 1000;

type AnyQuery = (...args: unknown[]) => unknown;
type Callback = (error: Error | null, result: pg.QueryResult) => void;

/** Whether a statement can be asked again, of another side, with a point in comparing the answers. */
export function isComparable(text: string): boolean {
  return READS.test(text) && !UNSTEADY.test(text);
}

/**
 * Looks on while a borrowed connection is read from. Knows queries that answer by a promise or to a callback; any other, and any that
 * fails, ends it.
 */
export class Recording {
  private statements: RecordedStatement[] | undefined = [];
  private rows = 0;

  private constructor(private readonly client: pg.PoolClient) {}

  static of(client: pg.PoolClient): Recording {
    const recording = new Recording(client);
    recording.listen();
    return recording;
  }

  /** @returns the statements in their order; undefined when they are nothing to compare */
  end(): readonly RecordedStatement[] | undefined {
    // Uncovers the prototype's.
    delete (this.client as { query?: unknown }).query;
    const { statements } = this;
    this.statements = undefined;
    return statements?.some(({ rows }) => rows.length > 0 || statements.length === 1) ? statements : undefined;
  }

  private listen(): void {
    const query = this.client.query.bind(this.client) as AnyQuery;
    const listening: AnyQuery = (...args) => {
      const asked = statementOf(args);
      if (!asked) this.statements = undefined;
      const answered = (error: unknown, result?: pg.QueryResult): void => {
        if (error || !asked || !result) this.statements = undefined;
        else this.add({ ...asked, rows: result.rows });
      };
      const callback = args.at(-1);
      if (typeof callback === 'function')
        return query(...args.slice(0, -1), (error: Error | null, result: pg.QueryResult) => {
          answered(error, result);
          (callback as Callback)(error, result);
        });
      const answer = query(...args);
      if (answer instanceof Promise) answer.then((result: pg.QueryResult) => answered(undefined, result), answered);
      else this.statements = undefined;
      return answer;
    };
    this.client.query = listening as pg.PoolClient['query'];
  }

  private add(statement: RecordedStatement): void {
    this.rows += statement.rows?.length ?? 0;
    if (!Array.isArray(statement.rows) || this.rows > MAX_ROWS) this.statements = undefined;
    else if ((this.statements?.push(statement) ?? 0) > MAX_STATEMENTS) this.statements = undefined;
  }
}

/** Undefined for what is no plain text with values. */
function statementOf([first, second]: unknown[]): Omit<RecordedStatement, 'rows'> | undefined {
  const given = typeof second === 'function' ? undefined : second;
  const config = typeof first === 'string' ? { text: first, values: given } : first;
  const { text, values, submit, rowMode, types } = (config ?? {}) as Record<string, unknown>;
  if (typeof text !== 'string' || submit !== undefined || rowMode !== undefined || types !== undefined)
    return undefined;
  if (!isComparable(text) || !(values === undefined || Array.isArray(values))) return undefined;
  return { text, values: values ?? [] };
}
