import { copyFrom, copyOut, withConnection } from '#database';
import { fullName, type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { type CopyFormat, copyStatements } from './copy-statements.js';
import { inRange } from './key-range.js';

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
        const copied =
          chunk &&
          (await withConnection(source, (from) => {
            const statements = this.statements(chunk);
            return copyFrom(to, statements.in, copyOut(from, statements.out));
          }));
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

  private statements({ table: name, low, high }: Chunk): { out: string; in: string } {
    const table = this.tables.get(name)!;
    return copyStatements(table, inRange(table, { low, high }), this.formats.get(name) ?? 'text');
  }
}
