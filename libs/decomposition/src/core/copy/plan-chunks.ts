import { escapeIdentifier } from 'pg';
import { fullName, quoted, type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { throwIfStopped } from '../wait-until.js';
import { inRange, keyTexts } from './key-range.js';

interface LastChunk {
  place: number;
  high: string[] | null;
}

/**
 * Cuts each table into ranges of so many rows, by walking the index of its primary key; what was cut in an earlier run stays. The last
 * range of a table has no end: what is added behind it meanwhile is either copied with it or comes by the stream.
 */
export async function planChunks(move: Move, tables: readonly Table[]): Promise<void> {
  for (const table of tables) {
    let last = await lastChunk(move, table);
    while (last?.high !== null) {
      throwIfStopped(move.signal);
      last = await addChunk(move, table, last);
      move.progress.at(
        `plan ${fullName(table)}`,
        last.place * move.plan.copy.chunk_rows,
        Math.max(table.estimatedRows, last.place * move.plan.copy.chunk_rows),
        'rows',
      );
    }
  }
}

async function lastChunk(move: Move, table: Table): Promise<LastChunk | undefined> {
  const { rows } = await move.databases.target.query<LastChunk>(
    `SELECT place, high FROM decomposition.chunks WHERE service = $1 AND table_name = $2 ORDER BY place DESC LIMIT 1`,
    [move.service.name, fullName(table)],
  );
  return rows[0];
}

async function addChunk(move: Move, table: Table, last: LastChunk | undefined): Promise<LastChunk> {
  const low = last?.high ?? null;
  const { rows } = await move.databases.source.query<{ key: string[] }>(
    `SELECT ${keyTexts(table)} AS key FROM ${quoted(table)} WHERE ${inRange(table, { low, high: null })}
     ORDER BY ${table.key.map(({ name }) => escapeIdentifier(name)).join(', ')} OFFSET $1 LIMIT 1`,
    [move.plan.copy.chunk_rows - 1],
  );
  const chunk = { place: (last?.place ?? 0) + 1, high: rows[0]?.key ?? null };
  await move.databases.target.query(
    `INSERT INTO decomposition.chunks (service, table_name, place, low, high) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [move.service.name, fullName(table), chunk.place, low, chunk.high],
  );
  return chunk;
}
