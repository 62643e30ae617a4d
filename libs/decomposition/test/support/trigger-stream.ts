import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { quoted, type Table } from '../../src/core/catalogue/table.js';
import { SplitError } from '../../src/core/errors.js';
import { inTransaction } from '../../src/core/in-transaction.js';
import { type Move } from '../../src/core/move.js';
import { otherSide, type Side } from '../../src/core/side.js';
import { type Lag, type Stream } from '../../src/core/stream/stream.js';

/**
 * A small stream for tests of what stands on streams: triggers log the keys of changed rows, and whoever applies makes the other side's
 * rows equal. Like the server's own, the applier outlives runs of the tool.
 */
export class TriggerStreams {
  private readonly stopping = new AbortController();
  private readonly loops: Promise<void>[] = [];

  constructor(private readonly databases: Readonly<Record<Side, pg.Pool>>) {
    for (const from of ['source', 'target'] as const) this.loops.push(this.applyAll(from));
  }

  private held: Record<Side, boolean> = { source: false, target: false };
  private readonly passes: Record<Side, Promise<void>> = { source: Promise.resolve(), target: Promise.resolve() };

  /** Resolves when nothing of the side is applied any more: a stream that falls behind, until `release`. */
  async hold(from: Side): Promise<void> {
    this.held[from] = true;
    await this.passes[from];
  }

  release(): void {
    this.held = { source: false, target: false };
  }

  open = (move: Move, from: Side): Stream => new TriggerStream(move, from);

  async close(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
  }

  private async applyAll(from: Side): Promise<void> {
    while (!this.stopping.signal.aborted) {
      if (!this.held[from]) await (this.passes[from] = this.applySome(from).catch(() => undefined));
      await sleep(10);
    }
  }

  private async applySome(from: Side): Promise<void> {
    const there = this.databases[from];
    const { rows } = await there.query<Change>(
      `SELECT c.* FROM decomposition.test_changes c, decomposition.test_stream s WHERE s.applying ORDER BY c.id LIMIT 1000`,
    );
    if (rows.length === 0) return;
    await inTransaction(this.databases[otherSide(from)], async (client) => {
      await client.query('SET LOCAL session_replication_role = replica');
      for (const name of new Set(rows.map((row) => row.name))) {
        const changes = rows.filter((row) => row.name === name);
        const key = `concat_ws('/', ${changes[0]!.columns.map(escapeIdentifier).join(', ')})`;
        const keys = changes.map((change) => change.key.join('/'));
        const now = await there.query<{ all: string }>(
          `SELECT coalesce(json_agg(t), '[]')::text AS all FROM ${name} t WHERE ${key} = ANY ($1)`,
          [keys],
        );
        await client.query(`DELETE FROM ${name} WHERE ${key} = ANY ($1)`, [keys]);
        await client.query(`INSERT INTO ${name} SELECT * FROM json_populate_recordset(null::${name}, $1)`, [
          now.rows[0]!.all,
        ]);
      }
    });
    await there.query('DELETE FROM decomposition.test_changes WHERE id = ANY ($1)', [rows.map(({ id }) => id)]);
  }
}

interface Change {
  id: string;
  name: string;
  columns: string[];
  key: string[];
}

class TriggerStream implements Stream {
  constructor(
    private readonly move: Move,
    readonly from: Side,
  ) {}

  readonly changes = { read: async function* () {}, forget: async () => undefined };

  private get there(): pg.Pool {
    return this.move.databases[this.from];
  }

  async capture(): Promise<void> {
    await this.there.query(`
      CREATE TABLE IF NOT EXISTS decomposition.test_stream (one int PRIMARY KEY DEFAULT 1, applying boolean NOT NULL DEFAULT false);
      INSERT INTO decomposition.test_stream DEFAULT VALUES ON CONFLICT DO NOTHING;
      CREATE TABLE IF NOT EXISTS decomposition.test_changes
        (id bigserial PRIMARY KEY, name text, columns text[], key text[], at timestamptz DEFAULT clock_timestamp());
      CREATE OR REPLACE FUNCTION decomposition.test_log() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE here jsonb;
      BEGIN
        FOREACH here IN ARRAY ARRAY[to_jsonb(OLD), to_jsonb(NEW)] LOOP
          IF here IS NOT NULL THEN
            INSERT INTO decomposition.test_changes (name, columns, key)
            VALUES (TG_ARGV[0], TG_ARGV[1:], (SELECT array_agg(here ->> c ORDER BY o) FROM unnest(TG_ARGV[1:]) WITH ORDINALITY u (c, o)));
          END IF;
        END LOOP;
        RETURN NULL;
      END $$`);
    for (const table of await this.move.tables(this.from))
      await this.there.query(
        `CREATE OR REPLACE TRIGGER zz_test_log AFTER INSERT OR UPDATE OR DELETE ON ${quoted(table)}
         FOR EACH ROW EXECUTE FUNCTION decomposition.test_log(${[quoted(table), ...keyOf(table)].map((text) => `'${text}'`).join(', ')})`,
      );
  }

  async start(): Promise<void> {
    await this.there.query('UPDATE decomposition.test_stream SET applying = true');
  }

  async skipToNow(): Promise<void> {
    await this.there.query('DELETE FROM decomposition.test_changes');
  }

  async lag(): Promise<Lag> {
    const { rows } = await this.there.query<{ applying: boolean; seconds: number; pending: number }>(
      `SELECT s.applying, count(c.id)::int AS pending,
         coalesce(extract(epoch FROM clock_timestamp() - min(c.at)), 0)::float8 AS seconds
       FROM decomposition.test_stream s LEFT JOIN decomposition.test_changes c ON true GROUP BY 1`,
    );
    const [row] = rows;
    return { seconds: row?.applying ? row.seconds : null, pending: row?.pending ?? 0, pendingUnit: 'changes' };
  }

  async catchUp(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { rows } = await this.there.query<{ last: string }>(
      'SELECT coalesce(max(id), 0)::text AS last FROM decomposition.test_changes',
    );
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const { rowCount } = await this.there.query('SELECT FROM decomposition.test_changes WHERE id <= $1 LIMIT 1', [
        rows[0]!.last,
      ]);
      if (rowCount === 0) return;
      if (signal.aborted) throw new SplitError('interrupted', 'told to stop');
      if (Date.now() > deadline) throw new SplitError('timeout', `The stream from the ${this.from} is behind.`);
      await sleep(10);
    }
  }

  async stop(): Promise<void> {
    await this.there.query('UPDATE decomposition.test_stream SET applying = false');
  }

  async end(): Promise<void> {
    for (const table of await this.move.tables(this.from))
      await this.there.query(`DROP TRIGGER IF EXISTS zz_test_log ON ${quoted(table)}`);
    await this.there.query('DROP FUNCTION IF EXISTS decomposition.test_log()');
    // In the order in which the applier reads them.
    await this.there.query('DROP TABLE IF EXISTS decomposition.test_changes, decomposition.test_stream');
  }
}

function keyOf({ key }: Table): string[] {
  return key.map(({ name }) => name);
}
