import type pg from 'pg';
import { waitFor } from '#testing';

/** Until no session but the tool's is in a transaction: one whose client has given it up may still commit. */
export async function sessionsRest(...pools: readonly pg.Pool[]): Promise<void> {
  for (const pool of pools)
    await waitFor('the transactions of others to end', async () => {
      const { rowCount } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
         AND application_name NOT LIKE 'gravitas-split%' AND state <> 'idle'`,
      );
      return rowCount === 0;
    });
}
