import type pg from 'pg';

/** Such as 180000 for 18.0. Source: PostgreSQL documentation, "Preset Options". */
export async function serverVersion(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  return rows[0]!.version;
}

/**
 * A place in the log behind everything that is committed by now, and on disk up to there: what was committed with
 * `synchronous_commit` off may be seen before it is, and decoding reads what is on disk only.
 */
export async function flushedLsn(pool: pg.Pool): Promise<string> {
  await pool.query(
    `BEGIN; SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'decomposition', ''); COMMIT`,
  );
  const { rows } = await pool.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
  return rows[0]!.lsn;
}
