import type pg from 'pg';
import { withConnection } from '#database';
import { type Side } from '../../side.js';
import { type ChangedKeys, type ChangeLog } from '../stream.js';

const PAGE = 5000;

/**
 * Keys that changed on the followed side, also those that the reconciler has dealt with. One snapshot of the log is kept on the server
 * while it is read (WITH HOLD), not by an open transaction, which would keep old rows of all tables.
 */
export class LoggedKeys implements ChangeLog {
  /** Of the last complete reading. */
  private readUpTo: string | undefined;

  constructor(
    private readonly pool: pg.Pool,
    private readonly service: string,
    private readonly from: Side,
  ) {}

  async *read(signal: AbortSignal): AsyncIterable<ChangedKeys> {
    const client = await this.pool.connect();
    let sound = false;
    try {
      const snapshot = await this.open(client);
      for (;;) {
        signal.throwIfAborted();
        const { rows } = await client.query<{ table: string; key: string[] }>(`FETCH ${PAGE} FROM changed`);
        if (rows.length === 0) break;
        for (const [table, mine] of Map.groupBy(rows, (row) => row.table)) {
          const keys = mine.map(({ key }) => key).filter((key) => key.length > 0);
          yield { table, keys, all: keys.length < mine.length };
        }
      }
      await client.query('CLOSE changed');
      sound = true;
      this.readUpTo = snapshot;
    } finally {
      client.release(!sound);
    }
  }

  /** What was logged again since has a newer transaction, and stays. */
  async forget(): Promise<void> {
    if (this.readUpTo === undefined) return;
    const values = [this.service, this.from, this.readUpTo];
    await withConnection(this.pool, (client) =>
      client.query(
        `DELETE FROM decomposition.changed_keys
         WHERE service = $1 AND from_side = $2 AND pg_visible_in_snapshot(xid, $3::pg_snapshot)`,
        values,
      ),
    );
    this.readUpTo = undefined;
  }

  private async open(client: pg.ClientBase): Promise<string> {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const { rows } = await client.query<{ now: string }>('SELECT pg_current_snapshot()::text AS now');
    await client.query(
      `DECLARE changed NO SCROLL CURSOR WITH HOLD FOR
       SELECT table_name AS "table", key FROM (
         SELECT xid, 0 AS id, table_name, key FROM decomposition.changed_keys WHERE service = $1 AND from_side = $2
         UNION ALL
         SELECT xid, id, table_name, key FROM decomposition.changes WHERE service = $1 AND from_side = $2
       ) AS logged ORDER BY xid, id`,
      [this.service, this.from],
    );
    await client.query('COMMIT');
    return rows[0]!.now;
  }
}
