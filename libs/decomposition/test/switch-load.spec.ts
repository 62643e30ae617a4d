import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { FENCED } from '../src/core/fence/fence.js';
import { reverse } from '../src/core/switch/reverse.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { type SwitchTools } from '../src/core/switch/tools.js';
import { patiently } from './support/patiently.js';
import { compare } from './support/plain-tools.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase();
});
afterAll(() => one?.drop());

/** Rows that were acknowledged, by amount. */
class Ledger {
  readonly rows = new Set<number>();
  running = true;
  private next = 10_000;

  async run(write: (amount: number) => Promise<unknown>): Promise<void> {
    while (this.running) {
      const amount = (this.next += 1);
      await write(amount);
      this.rows.add(amount);
      await sleep(15);
    }
  }
}

const INSERT = 'INSERT INTO item (account, amount) VALUES (1, $1)';

describe('there and back under load', () => {
  it('loses no row of writers that take part, nor of one that does not', async () => {
    const ledger = new Ledger();
    const [a, b] = [one.standIn('a'), one.standIn('b')];
    await waitFor('both to take part', async () => {
      return (await one.target.query('SELECT FROM decomposition.instances')).rowCount === 2;
    });
    /** Knows nothing of the move: tries the other side when one refuses. */
    const outsider = async (amount: number): Promise<void> => {
      for (let i = 0; ; i += 1) {
        const pool = i % 2 === 0 ? one.source : one.target;
        try {
          return void (await pool.query(INSERT, [amount]));
        } catch (error) {
          if ((error as { code?: string }).code !== FENCED) throw error;
          await sleep(2);
        }
      }
    };
    const tools: SwitchTools = {
      ...one.tools,
      // It asks for a second only whether what is missing comes.
      verify: async (move, options) => {
        for (const deadline = Date.now() + 20_000; ;) {
          const found = await one.tools.verify(move, options);
          if (found.clean || Date.now() > deadline) return found;
        }
      },
    };
    const writers = [
      ledger.run((amount) => a.write(INSERT, [amount])),
      ledger.run((amount) => b.write(INSERT, [amount])),
      ledger.run(outsider),
    ];
    try {
      for (const verb of [switchWrites, reverse, switchWrites, reverse, switchWrites, reverse]) {
        const before = ledger.rows.size;
        await waitFor('some writes', () => ledger.rows.size > before + 30);
        // How long it takes is measured elsewhere, by streams that are faster.
        await patiently(() => verb(one.move, { tools, pauseTimeoutMs: 20_000 }));
      }
    } finally {
      ledger.running = false;
      await Promise.all(writers);
    }
    await one.streams.open(one.move, 'source').catchUp(20_000, one.move.signal);
    expect(await compare(one.move, 'source')).toEqual([]);
    const { rows } = await one.source.query<{ amount: number }>(
      'SELECT amount FROM item WHERE amount > 10000 ORDER BY 1',
    );
    expect(rows.map(({ amount }) => amount)).toEqual([...ledger.rows].sort((x, y) => x - y));
    // Those that take part were never refused: they waited.
    expect([a.refused, b.refused]).toEqual([0, 0]);
  });
});
