import { type ClientBase } from 'pg';
import { CopyIn, type CopyChunks } from './copy-in.js';

/**
 * Sends bytes to a `COPY ... FROM STDIN` as they are: all of its rows are written, or none. The next chunk is asked for when the socket
 * has taken the one before. When PostgreSQL refuses, `chunks` is ended before this throws, so that what they are read from is free, too.
 *
 * @returns the number of rows written
 * @throws pg.DatabaseError as PostgreSQL reports it, or what reading `chunks` throws; the connection is usable afterwards
 */
export async function copyFrom(client: ClientBase, sql: string, chunks: CopyChunks): Promise<number> {
  const iterator = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  const once = { [Symbol.asyncIterator]: () => asynchronous(iterator) };
  try {
    const [rows = 0] = await client.query(new CopyIn([{ sql, chunks: once }])).done;
    return rows;
  } catch (error) {
    await iterator.return?.();
    throw error;
  }
}

function asynchronous(iterator: Iterator<Uint8Array> | AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
  return {
    next: async () => iterator.next(),
    return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
  };
}
