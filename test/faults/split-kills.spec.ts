import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Side } from '#decomposition';
import { type Kill, type Victim } from '../support/kills/kill.js';
import { KilledMove } from '../support/kills/killed-move.js';
import { startTwoServers, type TwoServers } from '../support/kills/two-servers.js';

/** How many kills; a few of each kind when it is not given. A seed repeats what was killed when, as far as clocks let it. */
const { GRAVITAS_SPLIT_KILLS, GRAVITAS_SPLIT_KILLS_SEED } = process.env;
const WANTED = Number(GRAVITAS_SPLIT_KILLS ?? 0);
const SEED = Number(GRAVITAS_SPLIT_KILLS_SEED ?? Math.floor(Math.random() * 1e6));
const MINUTE = 60_000;

/** At once: jest keeps what is logged until the end. */
const say = (text: string): void => void process.stderr.write(`${text}\n`);

type Strategy = 'replication' | 'dual-write';

/** Whom to kill in the runs of a verb. */
type Choose = (verb: string) => readonly Kill[];

const THERE_AND_BACK = ['create', 'copy', 'verify', 'switch-reads', 'switch-writes', 'verify', 'reverse'];
const TO_THE_END = [...THERE_AND_BACK, 'verify', 'switch-writes', 'complete'];
const GIVEN_UP = [...THERE_AND_BACK, 'abandon'];
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  'switch-reads': ['--percent', '50'],
  complete: ['--now'],
};

/** The verbs in their order; after each the ledger is asked, and before the last all rows are compared. */
async function journey(move: KilledMove, choose: Choose, verbs: readonly string[]): Promise<void> {
  let side: Side = 'source';
  for (const verb of verbs) {
    if (verb === verbs.at(-1)) {
      await move.writers.stop();
      await move.verb('verify', [], '--full');
    }
    // What is given up is nobody's any more: its tables are open, as the source's are.
    if (verb === 'abandon') await move.stopWatching();
    await move.verb(verb, choose(verb), ...(OPTIONS[verb] ?? []));
    if (verb === 'copy' && move.options.strategy === 'dual-write') move.startReconciler();
    if (verb === 'switch-writes') side = 'target';
    if (verb === 'reverse') side = 'source';
    await move.agree(side);
  }
  await move.expectNothingLeft();
}

describe('a move whose runs and servers are killed', () => {
  let servers: TwoServers;
  let folder: string;
  const tallies = new Map<string, number>();
  const totals = { kills: 0, missed: 0, acknowledged: 0, looks: 0, moves: 0 };

  beforeAll(async () => {
    servers = await startTwoServers();
    folder = await mkdtemp(join(tmpdir(), 'split-kills-'));
  });
  afterAll(async () => {
    if (WANTED > 0) say(JSON.stringify({ ...totals, by: Object.fromEntries([...tallies].sort()) }, undefined, 1));
    await servers?.stop();
    await rm(folder, { recursive: true });
  });

  async function moved(seed: number, strategy: Strategy, choose: Choose, verbs: readonly string[]): Promise<void> {
    const move = await KilledMove.begin({ servers, folder, seed, strategy });
    try {
      await journey(move, choose, verbs);
      if (WANTED > 0) say(`seed ${seed}, ${strategy}\n${move.story.join('\n')}`);
      expect(move.writers.ledger.acknowledged).toBeGreaterThan(100);
    } finally {
      const { looks } = await move.end();
      totals.looks += looks;
      totals.moves += 1;
      totals.kills += move.kills.length;
      totals.missed += move.missed;
      totals.acknowledged += move.writers.ledger.acknowledged;
      for (const { verb, victim } of move.kills) {
        const key = `${strategy} ${verb} ${victim}`;
        tallies.set(key, (tallies.get(key) ?? 0) + 1);
      }
    }
  }

  if (WANTED > 0)
    it(
      `${WANTED} kills leave every row where it belongs (seeds from ${SEED} on)`,
      async () => {
        const victims: Victim[] = ['tool', 'source', 'target'];
        let turn = 0;
        const failures: string[] = [];
        const choose = (): Kill[] => [0, 1].map(() => ({ victim: victims[turn++ % 3]! }));
        for (let seed = SEED; totals.kills < WANTED; seed += 1) {
          turn = seed + Math.floor(seed / 3);
          const strategy = seed % 3 === 2 ? 'dual-write' : 'replication';
          await moved(seed, strategy, choose, seed % 2 === 0 ? TO_THE_END : GIVEN_UP).catch((error: Error) => {
            failures.push(error.message);
            say(error.message);
          });
          say(`seed ${seed}: ${totals.kills} kills by now`);
        }
        expect(failures).toEqual([]);
      },
      WANTED * MINUTE,
    );
  else
    it(
      `ends with every row where it belongs (seed ${SEED})`,
      async () => {
        const some: Record<string, Kill[]> = {
          copy: [{ victim: 'source' }],
          // In the pause, with both sides closed.
          'switch-writes': [{ victim: 'target' }, { victim: 'tool', at: { what: 'steps', count: 3, later: 0 } }],
          reverse: [{ victim: 'tool' }],
          abandon: [{ victim: 'tool' }],
        };
        await moved(SEED, 'replication', (verb) => some[verb] ?? [], [
          'create',
          'copy',
          'verify',
          'switch-writes',
          'reverse',
          'abandon',
        ]);
      },
      5 * MINUTE,
    );
});
