import { setTimeout as sleep } from 'node:timers/promises';
import { fullName, type Table } from '../catalogue/table.js';
import { type Move } from '../move.js';
import { type Stream } from '../stream/stream.js';
import { throwIfStopped } from '../wait-until.js';
import { ChunkCopier } from './chunk-copier.js';
import { copyFormats } from './copy-statements.js';
import { Throttle } from './throttle.js';

/** Somebody else is at what is left: a run that was killed, whose server process has not noticed yet. */
const OTHERS_MS = 100;

interface Counts {
  table: string;
  done: number;
  total: number;
  left: number;
}

/** Copies what is not copied yet, with as many workers as the plan has; resolves when all of it is. Stops between two chunks. */
export async function copyChunks(move: Move, stream: Stream, tables: readonly Table[]): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([move.signal, failed.signal]);
  const throttle = new Throttle(move, stream, signal);
  const largestFirst = [...tables].sort((a, b) => b.bytes - a.bytes);
  const copier = new ChunkCopier(move, largestFirst, await copyFormats(move, tables));
  const counts = new Map((await readCounts(move, tables)).map((count) => [count.table, count]));

  const work = async (): Promise<void> => {
    for (;;) {
      throwIfStopped(signal);
      const copied = await throttle.run(() => copier.next());
      if (copied) tell(move, counts.get(copied.table)!, copied.rows);
      else if ((await readCounts(move, tables)).every(({ left }) => left === 0)) return;
      else await sleep(OTHERS_MS);
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: move.plan.copy.workers }, () =>
      work().catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    ),
  );
  throwIfStopped(move.signal);
  // The first to fail stopped the others.
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  const cause = errors.find((error) => !('code' in error && error.code === 'interrupted')) ?? errors[0];
  if (cause) throw cause;
}

export interface CopiedTable {
  table: string;
  rows: number;
  chunks: number;
}

/** In the order of `tables`. */
export async function copiedTables(move: Move, tables: readonly Table[]): Promise<CopiedTable[]> {
  const { rows } = await move.databases.target.query<CopiedTable>(
    `SELECT table_name AS "table", coalesce(sum(rows), 0)::float8 AS rows, count(done_at)::int AS chunks
     FROM decomposition.chunks WHERE service = $1 GROUP BY table_name`,
    [move.service.name],
  );
  const found = new Map(rows.map((row) => [row.table, row]));
  return tables.map((table) => found.get(fullName(table)) ?? { table: fullName(table), rows: 0, chunks: 0 });
}

async function readCounts(move: Move, tables: readonly Table[]): Promise<Counts[]> {
  const { rows } = await move.databases.target.query<Counts>(
    `SELECT table_name AS "table", coalesce(sum(rows), 0)::float8 AS done,
       sum(coalesce(rows, CASE WHEN high IS NOT NULL THEN $2::float8 ELSE 0 END))::float8 AS total,
       (count(*) - count(done_at))::int AS "left"
     FROM decomposition.chunks WHERE service = $1 AND table_name = ANY ($3) GROUP BY table_name`,
    [move.service.name, move.plan.copy.chunk_rows, tables.map(fullName)],
  );
  return rows;
}

function tell(move: Move, count: Counts, rows: number): void {
  count.done += rows;
  count.total = Math.max(count.total, count.done);
  move.progress.at(`copy ${count.table}`, count.done, count.total, 'rows');
}
