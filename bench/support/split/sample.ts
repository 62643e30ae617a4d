import type pg from 'pg';

/** Rows of the table that is moved. Fewer for a quick look: the ratios are worth less then. */
export const ROWS = Number(process.env.GRAVITAS_BENCH_SPLIT_ROWS ?? 1_500_000);
export const TABLE = 'message';

/** About 250 bytes a row: a key that grows with time, texts, a document, an amount, times. */
export const DDL = `
  CREATE TABLE message (
    id         uuid          PRIMARY KEY,
    tenant_id  text          NOT NULL,
    author     text          NOT NULL,
    subject    text          NOT NULL,
    body       text          NOT NULL,
    labels     jsonb         NOT NULL,
    cost       numeric(12,6) NOT NULL,
    created_at timestamptz   NOT NULL,
    updated_at timestamptz   NOT NULL
  )`;

/** Made on the source before, and on the target after the copy. */
const INDEXES = `
  CREATE INDEX message_tenant_idx ON message (tenant_id, created_at DESC, id DESC);
  CREATE INDEX message_labels_idx ON message USING gin (labels jsonb_path_ops)`;

const FILL = `
  INSERT INTO message
  SELECT uuidv7((n - $2::int) * interval '100 milliseconds'), 'tenant-' || n % 50, 'agent-' || n % 997,
    'Notes on ' || md5(n::text), md5((n + 1)::text) || ' ' || md5((n + 2)::text),
    jsonb_build_object('kind', (ARRAY['plan', 'answer', 'review', 'note'])[1 + n % 4], 'tokens', n % 4096),
    (n % 100000) / 7.0, now() + (n - $2::int) * interval '100 milliseconds', now()
  FROM generate_series($1::int, $1::int + $3::int - 1) n`;

const BATCH = 100_000;

export async function makeSample(pool: pg.Pool, between: (rows: number) => void): Promise<void> {
  await pool.query(DDL);
  for (let from = 1; from <= ROWS; from += BATCH) {
    await pool.query(FILL, [from, ROWS, Math.min(BATCH, ROWS - from + 1)]);
    between(Math.min(from + BATCH - 1, ROWS));
  }
  await pool.query(INDEXES);
  await pool.query('VACUUM (FREEZE, ANALYZE) message');
}

/** Of the rows themselves, without indexes. */
export async function bytesOf(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: number }>(`SELECT pg_table_size('message')::float8 AS bytes`);
  return rows[0]!.bytes;
}
