import { setTimeout as sleep } from 'node:timers/promises';
import { escapeIdentifier } from 'pg';
import type pg from 'pg';
import { fullName, quoted, writable, type Table } from '../../src/core/catalogue/table.js';
import { type ChangedKeys } from '../../src/core/stream/stream.js';
import { type VerifyStream } from '../../src/core/verify/verify.js';
import { type SmallMove } from './small-move.js';

const LOG = `
  CREATE TABLE decomposition.test_queue (id bigserial PRIMARY KEY, name text, key text[]);
  CREATE TABLE decomposition.test_changes (id bigserial PRIMARY KEY, name text, key text[]);
  CREATE FUNCTION decomposition.test_log() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE one jsonb; keys text[];
  BEGIN
    FOREACH one IN ARRAY CASE TG_OP WHEN 'INSERT' THEN ARRAY[to_jsonb(NEW)] WHEN 'DELETE' THEN ARRAY[to_jsonb(OLD)]
        ELSE ARRAY[to_jsonb(OLD), to_jsonb(NEW)] END LOOP
      SELECT array_agg(one ->> k ORDER BY n) INTO keys FROM unnest(TG_ARGV) WITH ORDINALITY a (k, n);
      INSERT INTO decomposition.test_queue (name, key) VALUES (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, keys);
      INSERT INTO decomposition.test_changes (name, key) VALUES (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, keys);
    END LOOP;
    RETURN NULL;
  END $$;`;

/** The smallest stream there can be, from source to target, late by a while: rows whose keys were logged are made equal. */
export class CopyingStream implements VerifyStream {
  private running: Promise<void> | undefined;
  private ended = false;
  private read: string[] = [];

  private constructor(
    private readonly small: SmallMove,
    private readonly tables: readonly Table[],
    private readonly lateMs: number,
  ) {}

  static async start(small: SmallMove, lateMs: number): Promise<CopyingStream> {
    const tables = await small.move.tables('source');
    await small.source.query(LOG);
    for (const table of tables)
      await small.source.query(
        `CREATE TRIGGER test_log AFTER INSERT OR UPDATE OR DELETE ON ${quoted(table)} FOR EACH ROW
         EXECUTE FUNCTION decomposition.test_log(${table.key.map(({ name }) => escapeIdentifier(name)).join(', ')})`,
      );
    const stream = new CopyingStream(small, tables, lateMs);
    stream.running = stream.run();
    return stream;
  }

  async stop(): Promise<void> {
    this.ended = true;
    await this.running;
  }

  async catchUp(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { rows } = await this.small.source.query<{ id: string }>('SELECT id FROM decomposition.test_queue');
    const ids = rows.map(({ id }) => id);
    for (const deadline = Date.now() + timeoutMs; ; await sleep(5, undefined, { signal })) {
      const { rowCount } = await this.small.source.query('SELECT FROM decomposition.test_queue WHERE id = ANY ($1)', [
        ids,
      ]);
      if (rowCount === 0) return;
      if (Date.now() > deadline) throw new Error('the copying stream did not catch up');
    }
  }

  readonly changes = {
    read: (): AsyncIterable<ChangedKeys> => this.readChanges(),
    forget: async (): Promise<void> => {
      await this.small.source.query('DELETE FROM decomposition.test_changes WHERE id = ANY ($1)', [this.read]);
    },
  };

  private async *readChanges(): AsyncGenerator<ChangedKeys> {
    const { rows } = await this.small.source.query<{ id: string; name: string; key: string[] }>(
      'SELECT id, name, key FROM decomposition.test_changes ORDER BY id',
    );
    this.read = rows.map(({ id }) => id);
    for (const { name, key } of rows) yield { table: name, keys: [key], all: false };
  }

  private async run(): Promise<void> {
    const target = await this.small.target.connect();
    await target.query('SET session_replication_role = replica');
    while (!this.ended) {
      await sleep(this.lateMs);
      const { rows } = await this.small.source.query<{ id: string; name: string; key: string[] }>(
        'SELECT id, name, key FROM decomposition.test_queue ORDER BY id LIMIT 500',
      );
      await target.query('BEGIN');
      for (const table of this.tables) {
        const keys = rows.filter(({ name }) => name === fullName(table)).map(({ key }) => key);
        if (keys.length > 0) await this.copyRows(target, table, keys);
      }
      await target.query('COMMIT');
      await this.small.source.query('DELETE FROM decomposition.test_queue WHERE id = ANY ($1)', [
        rows.map(({ id }) => id),
      ]);
    }
    target.release(true);
  }

  private async copyRows(target: pg.ClientBase, table: Table, keys: string[][]): Promise<void> {
    const columns = table.key.map(({ name }) => escapeIdentifier(name)).join(', ');
    const asked = table.key.map(({ type }, index) => `(k.key ->> ${index})::${type}`).join(', ');
    const where = `(${columns}) IN (SELECT ${asked} FROM json_array_elements($1) AS k (key))`;
    const names = writable(table).map(({ name }) => escapeIdentifier(name));
    const { rows } = await this.small.source.query<{ rows: string }>(
      `SELECT coalesce(json_agg(t), '[]')::text AS rows FROM ${quoted(table)} t WHERE ${where}`,
      [JSON.stringify(keys)],
    );
    await target.query(`DELETE FROM ${quoted(table)} WHERE ${where}`, [JSON.stringify(keys)]);
    await target.query(
      `INSERT INTO ${quoted(table)} (${names.join(', ')}) OVERRIDING SYSTEM VALUE
       SELECT ${names.join(', ')} FROM json_populate_recordset(NULL::${quoted(table)}, $1)`,
      [rows[0]!.rows],
    );
  }
}
