import type pg from 'pg';
import { type Table } from '../../catalogue/table.js';
import { waitUntil, throwIfStopped } from '../../wait-until.js';
import { type ChangedKeys, type ChangeLog } from '../stream.js';
import { KeyChanges, type KeyChange, type Message } from './key-changes.js';
import { flushedLsn, serverVersion } from './server.js';
import { advanceSlot } from './slots.js';

const PAGE = 5000;
const OBJECT_IN_USE = '55006';
const BUSY_TIMEOUT_MS = 60_000;

export interface ChangeLogPlace {
  pool: pg.Pool;
  /** Of slot and publication. */
  name: string;
  tables: () => Promise<Table[]>;
  /** Of waiting for others, in `forget`. */
  signal: AbortSignal;
}

/**
 * Reads a slot of its own without taking anything from it, from where it was last told to forget. Memory is that of a page; the server
 * puts what is longer than its `work_mem` into a file.
 */
export class ReplicationChangeLog implements ChangeLog {
  private reached: string | undefined;

  constructor(private readonly place: ChangeLogPlace) {}

  async *read(signal: AbortSignal): AsyncGenerator<ChangedKeys> {
    for await (const page of this.pages(signal)) {
      const tables = Map.groupBy(page, ({ table }) => table);
      for (const [table, changes] of tables)
        yield {
          table,
          keys: changes.flatMap((change) =>
            change.kind === 'all' ? [] : change.old ? [change.old, change.key] : [change.key],
          ),
          all: changes.some(({ kind }) => kind === 'all'),
        };
    }
  }

  async forget(): Promise<void> {
    const { pool, name, signal } = this.place;
    if (this.reached !== undefined) await advanceSlot(pool, name, this.reached, signal);
  }

  /** The same, in order, with what became of a key. */
  async *pages(signal: AbortSignal): AsyncGenerator<KeyChange[]> {
    const { pool, name } = this.place;
    const changes = new KeyChanges(await this.place.tables());
    const end = await flushedLsn(pool);
    const origin = (await serverVersion(pool)) >= 160_000 ? `, 'origin', 'none'` : '';
    const client = await pool.connect();
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken ??= error;
    };
    client.on('error', onError);
    try {
      const open = async (): Promise<Message[] | undefined> => {
        await client.query('BEGIN');
        await client.query({
          text: `DECLARE log NO SCROLL CURSOR FOR SELECT lsn::text, data FROM pg_logical_slot_peek_binary_changes(
                   $1, $2, NULL, 'proto_version', '1', 'publication_names', $3${origin})`,
          values: [name, end, name],
        });
        try {
          return await fetchPage(client);
        } catch (error) {
          await client.query('ROLLBACK');
          if ((error as { code?: string }).code !== OBJECT_IN_USE) throw error;
          return undefined;
        }
      };
      const what = `slot ${name}, which something else reads`;
      let page = await waitUntil(open, { what, timeoutMs: BUSY_TIMEOUT_MS, signal });
      while (page.length > 0) {
        throwIfStopped(signal);
        const found = page.flatMap((message) => changes.of(message));
        if (found.length > 0) yield found;
        page = await fetchPage(client);
      }
      await client.query('COMMIT');
      this.reached = end;
    } catch (error) {
      broken ??= error as Error;
      throw error;
    } finally {
      // Also of a reader that stopped early: its transaction ends with the connection.
      client.release(broken ?? this.reached !== end);
      client.off('error', onError);
    }
  }
}

async function fetchPage(client: pg.PoolClient): Promise<Message[]> {
  const { rows } = await client.query<Message>(`FETCH ${PAGE} FROM log`);
  return rows;
}
