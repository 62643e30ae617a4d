import { describe, expect, it } from '@jest/globals';
import { testPostgresUrl, waitFor } from '#testing';
import { administratorPool } from '../src/core/move.js';

describe("the tool's connections", () => {
  it('do not end the process when one is lent, idle, and its server goes away', async () => {
    const pool = administratorPool(testPostgresUrl(), 2);
    try {
      const client = await pool.connect();
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      let broken = false;
      client.once('end', () => (broken = true));
      await pool.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
      await waitFor('the connection to be found broken', () => broken);
      await expect(client.query('SELECT 1')).rejects.toThrow();
      client.release(true);
    } finally {
      await pool.end();
    }
  });
});
