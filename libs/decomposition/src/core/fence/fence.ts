import type pg from 'pg';
import { escapeLiteral } from 'pg';
import { quoted, type Table } from '../catalogue/table.js';
import { lockedTransaction } from './locked-transaction.js';

/** What a fenced table answers a write with. */
export const FENCED = 'GV001';
const TRIGGER = 'decomposition_fence';

/**
 * `replica` sessions pass, because such triggers do not fire for them: those of logical replication, and the tool's own. So does the
 * half of a dual write, which says so, while the fence allows that.
 */
const FUNCTION = `
  CREATE SCHEMA IF NOT EXISTS decomposition;
  CREATE OR REPLACE FUNCTION decomposition.fence() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
  BEGIN
    IF TG_ARGV[1] = 'dual' AND current_setting('decomposition.dual', true) = 'on' AND TG_OP <> 'TRUNCATE' THEN
      RETURN CASE WHEN TG_LEVEL = 'STATEMENT' THEN NULL WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '${FENCED}',
      MESSAGE = format('table %I.%I takes no writes here', TG_TABLE_SCHEMA, TG_TABLE_NAME),
      DETAIL = TG_ARGV[0],
      HINT = 'Write to the database that the move says; npm run split -- status shows it.';
  END $$`;

/** All that the fence made for the tables named in $1. */
const TRIGGERS = `
  FROM unnest($1::text[]) AS wanted (name) JOIN pg_trigger t
    ON t.tgrelid = wanted.name::regclass OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(wanted.name::regclass))
  WHERE t.tgname LIKE '${TRIGGER}%' AND t.tgparentid = 0`;

type Fenceable = Pick<Table, 'schema' | 'name' | 'partitioned'>;

export interface FenceOptions {
  /** Why, for whoever meets it. */
  reason: string;
  /** Lets the half of a dual write through. Default false. */
  dual?: boolean;
  /** For one attempt to have all tables at once; while it waits, writers wait behind it. */
  lockTimeoutMs?: number;
  /** For all attempts. */
  timeoutMs?: number;
  /** Done in the same transaction, with the tables locked; what it throws undoes the fence. May be called once an attempt. */
  within?: (client: pg.ClientBase) => Promise<void>;
  signal?: AbortSignal;
}

/**
 * Closes tables to writes, for whatever role and session. Waits for transactions that have written to end; once it resolves, none that
 * has not committed can. Idempotent.
 *
 * @throws SplitError `timeout` when a transaction does not end; nothing is fenced then that was not before
 */
export async function fence(pool: pg.Pool, tables: readonly Fenceable[], options: FenceOptions): Promise<void> {
  const { reason, dual = false, within } = options;
  await prepareFence(pool);
  await lockedTransaction(pool, tables, options, async (client) => {
    for (const table of tables) await fenceTable(client, table, `${escapeLiteral(reason)}, '${dual ? 'dual' : ''}'`);
    await within?.(client);
  });
}

/** What has to be there before the first fence; makes the fence itself quick. */
export async function prepareFence(pool: pg.Pool): Promise<void> {
  await pool.query(FUNCTION);
}

/**
 * Opens tables again, in the transaction of `client`. Readers do not hold it up. Idempotent. The triggers stay, switched off:
 * taking them away would wait for readers, too.
 */
export async function unfence(client: pg.ClientBase, tables: readonly Fenceable[]): Promise<void> {
  const { rows } = await client.query<{ sql: string }>(
    `SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname) AS sql ${TRIGGERS} AND t.tgenabled <> 'D'`,
    [tables.map(quoted)],
  );
  for (const { sql } of rows) await client.query(sql);
}

/** Takes the fence itself away, when it will not be needed again. Waits for readers, too. Idempotent. */
export async function removeFence(client: pg.ClientBase, tables: readonly Fenceable[]): Promise<void> {
  const { rows } = await client.query<{ sql: string }>(
    `SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) AS sql ${TRIGGERS}`,
    [tables.map(quoted)],
  );
  for (const { sql } of rows) await client.query(sql);
}

/** Which of the tables are fenced. */
export async function fencedTables<T extends Fenceable>(
  database: pg.Pool | pg.ClientBase,
  tables: readonly T[],
): Promise<T[]> {
  const { rows } = await database.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_trigger t
     JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgname = '${TRIGGER}' AND t.tgenabled = 'O'`,
  );
  return tables.filter((table) => rows.some(({ schema, name }) => schema === table.schema && name === table.name));
}

async function fenceTable(client: pg.ClientBase, table: Fenceable, args: string): Promise<void> {
  const make = (name: string, events: string, level: string, on: string): string =>
    `CREATE OR REPLACE TRIGGER ${name} BEFORE ${events} ON ${on} FOR EACH ${level} EXECUTE FUNCTION decomposition.fence(${args})`;
  const statements = [make(TRIGGER, 'INSERT OR UPDATE OR DELETE OR TRUNCATE', 'STATEMENT', quoted(table))];
  if (table.partitioned) {
    // Whoever writes to a partition itself passes by the table's statement triggers; row triggers also reach partitions made later.
    statements.push(make(`${TRIGGER}_rows`, 'INSERT OR UPDATE OR DELETE', 'ROW', quoted(table)));
    const { rows } = await client.query<{ leaf: string }>(
      'SELECT relid::regclass::text AS leaf FROM pg_partition_tree($1::regclass) WHERE isleaf',
      [quoted(table)],
    );
    statements.push(...rows.map(({ leaf }) => make(`${TRIGGER}_truncate`, 'TRUNCATE', 'STATEMENT', leaf)));
  }
  await client.query(statements.join(';\n'));
}
