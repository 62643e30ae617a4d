import { copyFrom, copyOut, withConnection } from '#database';
import { copyStatements } from '../../copy/copy-statements.js';
import { isOneOf, keyTexts } from '../../copy/key-range.js';
import { fullName, quoted, type Table } from '../../catalogue/table.js';
import { SplitError } from '../../errors.js';
import { type Move } from '../../move.js';
import { otherSide, type Side } from '../../side.js';
import { throwIfStopped } from '../../wait-until.js';
import { type Key } from './key-changes.js';
import { type ReplicationChangeLog } from './replication-change-log.js';

const BATCH = 200;
/** Writers of the rows wait for as long. */
const HOLD_MS = 2000;

export interface Rekeying {
  move: Move;
  from: Side;
  log: ReplicationChangeLog;
  catchUp: (timeoutMs: number) => Promise<void>;
}

/**
 * Rows that got another key while they were being copied. Repeating all else onto rows that were read later ends well: each key is on its
 * own, and the last that the log says of it holds. A change of key joins two: where the row is found under neither of them, since the one
 * was read before and the other after, PostgreSQL skips the change, and the row would be lost; where a later row has the old key by now,
 * the change hits that one, and values that did not travel because they did not change (TOAST) are those of another row.
 *
 * So the new keys of all such changes are written down as long as rows are being copied, and afterwards read once more: each is held
 * (`FOR SHARE`) on the one side, until all changes of it have arrived, and then put into the other side's place.
 */
export class RekeyedRows {
  constructor(private readonly rekeying: Rekeying) {}

  /**
   * Takes what the log has, and makes it forget.
   *
   * @param scope `all` while rows are being copied, or still to be replayed; later only rows that were not settled before go wrong again
   */
  async note(scope: 'all' | 'unsettled'): Promise<void> {
    const { move, log } = this.rekeying;
    const { target } = move.databases;
    for await (const page of log.pages(move.signal))
      for (const change of page)
        if (change.kind === 'row' && change.old)
          await target.query(
            `INSERT INTO decomposition.rekeyed AS r (service, table_name, key)
             SELECT $1, $2, $3 WHERE $5 OR EXISTS (
               SELECT FROM decomposition.rekeyed WHERE service = $1 AND table_name = $2 AND key = $4
               AND (settled_at IS NULL OR settled_at > $6::pg_lsn))
             ON CONFLICT (service, table_name, key) DO UPDATE SET settled_at = NULL WHERE r.settled_at < $6::pg_lsn`,
            [move.service.name, change.table, change.key, change.old, scope === 'all', change.lsn],
          );
    await log.forget();
  }

  /** The stream must have passed all that was copied. @throws SplitError `timeout` when rows are never free */
  async settle(timeoutMs: number): Promise<void> {
    const { move, from } = this.rekeying;
    const deadline = Date.now() + timeoutMs;
    const tables = new Map((await move.tables(from)).map((table) => [fullName(table), table]));
    await this.note('all');
    for (;;) {
      throwIfStopped(move.signal);
      const { rows } = await move.databases.target.query<{ table: string; keys: Key[] }>(
        `SELECT table_name AS table, json_agg(to_json(key)) AS keys FROM (
           SELECT table_name, key FROM decomposition.rekeyed WHERE service = $1 AND settled_at IS NULL
           ORDER BY random() LIMIT ${BATCH}) AS batch
         GROUP BY table_name`,
        [move.service.name],
      );
      if (rows.length === 0) return;
      if (Date.now() > deadline)
        throw new SplitError(
          'timeout',
          `Rows of ${rows.map(({ table }) => table).join(', ')} changed their keys while they were copied, and were never free to be read again.`,
          'Look for long transactions on these tables, and run the verb again.',
        );
      await this.rekeying.catchUp(timeoutMs);
      for (const { table, keys } of rows) await this.settleSome(tables.get(table)!, keys);
      // What was not there any more may have got yet another key.
      await this.note('unsettled');
    }
  }

  private async settleSome(table: Table, keys: readonly Key[]): Promise<void> {
    const { move, from, catchUp } = this.rekeying;
    const texts = (rows: readonly { key: Key }[]): Set<string> => new Set(rows.map(({ key }) => JSON.stringify(key)));
    const select = `SELECT ${keyTexts(table)} AS key FROM ${quoted(table)} WHERE ${isOneOf(table, keys)}`;
    await withConnection(move.databases[from], async (source) => {
      await source.query('BEGIN');
      try {
        // Waiting for a row while others are held could block those who wait for us.
        const held = texts((await source.query<{ key: Key }>(`${select} FOR SHARE SKIP LOCKED`)).rows);
        const there = texts((await source.query<{ key: Key }>(select)).rows);
        const free = keys.filter((key) => held.has(JSON.stringify(key)));
        const gone = keys.filter((key) => !there.has(JSON.stringify(key)));
        // Of those that are held nothing can come before this, of those that are gone nothing is missed.
        const { lsn } = (await source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn'))
          .rows[0]!;
        if (free.length > 0) await catchUp(HOLD_MS);
        await withConnection(move.databases[otherSide(from)], async (target) => {
          await target.query('BEGIN; SET LOCAL session_replication_role = replica');
          try {
            if (free.length > 0) {
              const copy = copyStatements(table, isOneOf(table, free), 'text');
              await target.query(`DELETE FROM ${quoted(table)} WHERE ${isOneOf(table, free)}`);
              await copyFrom(target, copy.in, copyOut(source, copy.out));
            }
            await target.query('COMMIT');
          } catch (error) {
            await target.query('ROLLBACK').catch(() => undefined);
            throw error;
          }
        });
        await this.markSettled(table, [...free, ...gone], lsn);
      } catch (error) {
        // The stream is behind: another time. Nobody is to wait for that.
        if (!(error instanceof SplitError && error.code === 'timeout')) throw error;
      } finally {
        await source.query('ROLLBACK').catch(() => undefined);
      }
    });
  }

  private async markSettled(table: Table, keys: readonly Key[], lsn: string): Promise<void> {
    const { move } = this.rekeying;
    await move.databases.target.query(
      `UPDATE decomposition.rekeyed SET settled_at = $4::pg_lsn WHERE service = $1 AND table_name = $2
       AND to_jsonb(key) IN (SELECT jsonb_array_elements($3::jsonb))`,
      [move.service.name, fullName(table), JSON.stringify(keys), lsn],
    );
  }
}
