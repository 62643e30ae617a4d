import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { type CrashPoint } from './support/dual-crasher.js';
import { dualMove, FOREVER, rowsOf, waiting, type DualMove } from './support/dual-move.js';

const PROGRAM = join(process.cwd(), 'dist/libs/decomposition/test/support/dual-crasher.js');

let dual: DualMove;

beforeAll(async () => {
  dual = await dualMove();
  await dual.source.query(`INSERT INTO items (id, label, n) VALUES (1, 'a', 1), (2, 'b', 1)`);
  await catchUp();
});

afterAll(async () => {
  await dual.drop();
});

const catchUp = (): Promise<void> => dual.stream.catchUp(10_000, FOREVER);
const labels = async (side: 'source' | 'target'): Promise<string[]> => {
  const { rows } = await dual[side].query<{ label: string }>('SELECT label FROM items ORDER BY id');
  return rows.map(({ label }) => label);
};

/** SIGKILL at that point, and no session of it left. */
async function killAt(point: CrashPoint, sql = ''): Promise<void> {
  const args = ['--enable-source-maps', PROGRAM, JSON.stringify(dual.plan), point, sql];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  try {
    const [said] = (await Promise.race([once(child.stdout, 'data'), exited])) as [Buffer | number | null];
    expect(String(said)).toBe('here\n');
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
  for (const pool of [dual.source, dual.target])
    await waitFor('its transactions to be gone', async () => {
      const { rows } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
      );
      return rows.length === 0;
    });
}

async function expectConverged(): Promise<void> {
  await catchUp();
  const { source, target } = await rowsOf(dual.move);
  expect(target).toEqual(source);
  expect(await waiting(dual.source)).toBe(0);
  expect(await waiting(dual.target)).toBe(0);
}

describe('a process that is killed', () => {
  it('before the new COMMIT leaves nothing', async () => {
    await killAt('before the new COMMIT', `UPDATE items SET label = 'c' WHERE id = 1`);
    expect(await labels('target')).toEqual(['a', 'b']);
    await expectConverged();
    expect(await labels('source')).toEqual(['a', 'b']);
  });

  it('between the COMMITs leaves a half that is undone', async () => {
    await killAt('between the COMMITs', `UPDATE items SET label = 'c' WHERE id = 1; DELETE FROM items WHERE id = 2`);
    expect(await labels('target')).toEqual(['c']);
    expect(await labels('source')).toEqual(['a', 'b']);
    await expectConverged();
    expect(await labels('target')).toEqual(['a', 'b']);
  });

  it('while it reconciles leaves the log as it was, and its lock to others', async () => {
    await dual.source.query(`UPDATE items SET label = upper(label)`);
    await killAt('reconciler, before it settles');
    expect(await labels('target')).toEqual(['A', 'B']);
    expect(await waiting(dual.source)).toBe(2);
    await expectConverged();
  });
});
