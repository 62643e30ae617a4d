import { type ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { CopyBinaryEncoder, type CopyType, type CopyValue } from './copy-binary.js';

/** A table, with its columns in the order in which rows give their values. */
export interface CopyTarget {
  table: string;
  columns: Readonly<Record<string, CopyType>>;
}

/**
 * Writes rows with one COPY ... FROM STDIN (FORMAT binary): all of them or none.
 *
 * @returns the number of rows written
 * @throws pg.DatabaseError as PostgreSQL reports it; the connection is usable afterwards
 */
export async function copyInto(
  client: ClientBase,
  target: CopyTarget,
  rows: Iterable<readonly CopyValue[]>,
): Promise<number> {
  const encoder = new CopyBinaryEncoder(Object.values(target.columns));
  let count = 0;
  for (const row of rows) {
    encoder.row(row);
    count++;
  }
  if (count === 0) return 0;
  const columns = Object.keys(target.columns).map((column) => `"${column}"`);
  const stream = client.query(copyFrom(`COPY ${target.table} (${columns.join(', ')}) FROM STDIN (FORMAT binary)`));
  await new Promise<void>((resolve, reject) => {
    // Not stream.pipeline: it destroys a stream that has failed, and this one would then write to a connection that it has let go.
    stream.on('error', reject).once('finish', resolve).end(encoder.finish());
  });
  return count;
}
