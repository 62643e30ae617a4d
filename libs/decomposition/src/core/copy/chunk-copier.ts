import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { copyFrom, copyOut, withConnection } from '#database';
import { fullName, quoted, writable, type Table } from '../catalogue/table.js';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { type CopyFormat, copyStatements, type CopyStatements } from './copy-statements.js';
import { inRange, keyColumns } from './key-range.js';

const UNIQUE_VIOLATION = '23505';

export interface CopiedChunk {
  table: string;
  rows: number;
}

interface Chunk {
  table: string;
  place: number;
  low: string[] | null;
  high: string[] | null;
}

/**
 * Claims the next chunk that is not done, and copies it, in one transaction: a chunk is on the target with all of its rows and said to
 * be done, or neither. Chunks that somebody else is at are passed by.
 */
export class ChunkCopier {
  private readonly order: string[];
  private readonly tables: ReadonlyMap<string, Table>;

  /** @param tables as the source has them, those to begin with first */
  constructor(
    private readonly move: Move,
    tables: readonly Table[],
    private readonly formats: ReadonlyMap<string, CopyFormat>,
  ) {
    this.order = tables.map(fullName);
    this.tables = new Map(tables.map((table) => [fullName(table), table]));
  }

  /** @returns undefined when there is none that nobody is at */
  next(): Promise<CopiedChunk | undefined> {
    const { source, target } = this.move.databases;
    return withConnection(target, async (to) => {
      // As replication does it: no triggers, no foreign keys. A commit that a crash takes back takes its mark along.
      await to.query('BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off');
      try {
        const { rows } = await to.query<Chunk>(
          `SELECT table_name AS "table", place, low, high FROM decomposition.chunks
           WHERE service = $1 AND done_at IS NULL AND table_name = ANY ($2)
           ORDER BY array_position($2::text[], table_name), place LIMIT 1 FOR UPDATE SKIP LOCKED`,
          [this.move.service.name, this.order],
        );
        const chunk = rows[0];
        const copied = chunk && (await withConnection(source, (from) => this.copy(from, to, chunk)));
        if (chunk)
          await to.query(
            `UPDATE decomposition.chunks SET rows = $4, done_at = clock_timestamp()
             WHERE service = $1 AND table_name = $2 AND place = $3`,
            [this.move.service.name, chunk.table, chunk.place, copied],
          );
        await to.query('COMMIT');
        return chunk && { table: chunk.table, rows: copied! };
      } catch (error) {
        await to.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  private async copy(from: pg.ClientBase, to: pg.ClientBase, { table: name, low, high }: Chunk): Promise<number> {
    const table = this.tables.get(name)!;
    const format = this.formats.get(name) ?? 'text';
    const condition = inRange(table, { low, high });
    const statements = copyStatements(table, condition, format);
    await to.query('SAVEPOINT chunk');
    try {
      return await copyFrom(to, statements.in, copyOut(from, statements.out));
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
      if (this.move.service.strategy !== 'dual-write') throw inTheWay(name, error);
      // Halves of dual writes may be there already. Both sides' logs have the keys of what differs.
      await to.query('ROLLBACK TO SAVEPOINT chunk');
      return addMissing(from, to, table, copyStatements(table, condition, format, 'pg_temp.chunk'));
    }
  }
}

function inTheWay(table: string, cause: unknown): SplitError {
  const { detail } = cause as { detail?: string };
  return new SplitError(
    'different',
    `Rows of ${table} are on the target that nothing brought there: ${detail ?? ''}`,
    'Look who writes to the target, take them away, and run it again.',
    { cause },
  );
}

/** By way of a table of its own. @returns rows that were read */
async function addMissing(
  from: pg.ClientBase,
  to: pg.ClientBase,
  table: Table,
  statements: CopyStatements,
): Promise<number> {
  const columns = writable(table)
    .map(({ name }) => escapeIdentifier(name))
    .join(', ');
  await to.query(`CREATE TEMPORARY TABLE chunk ON COMMIT DROP AS SELECT ${columns} FROM ${quoted(table)} WITH NO DATA`);
  const rows = await copyFrom(to, statements.in, copyOut(from, statements.out));
  await to.query(`INSERT INTO ${quoted(table)} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM pg_temp.chunk
    ON CONFLICT ${keyColumns(table)} DO NOTHING`);
  return rows;
}
