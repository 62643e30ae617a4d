import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verbs } from '../src/core/library.js';
import { type Side } from '../src/core/side.js';
import { openStream } from '../src/core/stream/open-stream.js';
import { type VerifyResult } from '../src/core/verbs.js';
import { verifyDelta } from '../src/core/verify/verify-delta.js';
import { CHAINED_OTHERS, CHAINED_SERVICE, CHAINED_TABLES, chainedData } from './support/chained-data.js';
import { patiently } from './support/patiently.js';
import { plant } from './support/planted.js';
import { realMove, type RealMove } from './support/real-move.js';

/** The long form: GRAVITAS_SPLIT_ROWS=1000000 npm test -- planted-faults */
const ROWS = Number(process.env.GRAVITAS_SPLIT_ROWS ?? 20_000);
const ACCOUNTS = ROWS / 10;
const LINKS = ROWS / 50;
const [MISSING, CHANGED, SHIFTED] = [ROWS / 2 + 1, ROWS / 5, ROWS - 3];
const EXTRA = ROWS * 3;
/** Ten events belong to account n: n - 1, n - 1 + ACCOUNTS and so on. */
const LOST_ACCOUNT = ACCOUNTS / 2;
const MINUTES = 60_000;

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

describe.each(['replication', 'dual-write'])(`faults planted among ${ROWS} rows, %s`, (strategy) => {
  let real: RealMove;
  const figures: string[] = [];

  beforeAll(async () => {
    real = await realMove({
      source: chainedData(ROWS),
      tables: CHAINED_TABLES,
      service: { strategy, ...CHAINED_SERVICE },
      others: CHAINED_OTHERS,
    });
    await real.bringInStep();
    await expectClean();
  }, 15 * MINUTES);
  afterAll(async () => {
    await real?.drop();
    process.stderr.write(`${figures.join('\n')}\n`);
  });

  const verify = async (full: boolean, repair = false): Promise<VerifyResult> => {
    const began = performance.now();
    const result = await verbs.verify(real.move, { full, repair });
    const kind = `${full ? 'full' : 'incremental'}${repair ? ', with repair' : ''}`;
    figures.push(
      `${strategy}, ${kind}: ${Math.round(performance.now() - began)} ms, ${result.difference_count} differences`,
    );
    return result;
  };
  const sentences = ({ differences }: Pick<VerifyResult, 'differences'>): string[] =>
    differences.map(({ table, kind, detail }) => `${table.replace('public.', '')}, ${kind}: ${detail}`).sort();
  const expectClean = async (): Promise<void> => {
    for (const full of [false, true]) {
      const result = await verify(full);
      expect(sentences(result)).toEqual([]);
      expect(result).toMatchObject({ clean: true, difference_count: 0 });
    }
  };
  const textOf = async (sql: string): Promise<string> =>
    (await real.source.query<{ text: string }>(`SELECT (${sql})::text AS text`)).rows[0]!.text;
  const switchReads = (): Promise<unknown> =>
    patiently(() => verbs.switchReads(real.move, { percent: 10, dryRun: false }));
  const switchWrites = (): Promise<unknown> =>
    patiently(() => verbs.switchWrites(real.move, { dryRun: false, pauseTimeoutMs: 20_000 }));
  const plantRows = (side: Side): Promise<void> =>
    plant(
      real[side],
      `DELETE FROM event WHERE id = ${MISSING};
       INSERT INTO event VALUES (${EXTRA}, 1, '2026-01-01', 1, 'from nowhere');
       UPDATE event SET body = 'not what was written' WHERE id = ${CHANGED};
       UPDATE event SET at = at + interval '1 microsecond' WHERE id = ${SHIFTED}`,
    );
  const rowFaults = async (leader: Side, follower: Side): Promise<string[]> => {
    const [body, at] = [
      await textOf(`SELECT body FROM event WHERE id = ${CHANGED}`),
      await textOf(`SELECT at FROM event WHERE id = ${SHIFTED}`),
    ];
    const [right, wrong] = [body, 'not what was written'];
    return [
      `event, changed: Row id '${CHANGED}': body is '${right}' in the ${leader}, '${wrong}' in the ${follower}.`,
      `event, changed: Row id '${SHIFTED}': timestamp at differs by 1 microsecond ('${at}' in the ${leader}, '${later(at)}' in the ${follower}).`,
      `event, extra: Row id '${EXTRA}' is in the ${follower} and not in the ${leader}.`,
      `event, missing: Row id '${MISSING}' is in the ${leader} and missing in the ${follower}.`,
    ];
  };

  it(
    'each is found and named, by both kinds of verification, and shuts the gates',
    async () => {
      const rows = await rowFaults('source', 'target');
      await plantRows('target');
      await plant(real.target, `SELECT setval('event_id_seq', 5)`);
      await plant(real.source, `DELETE FROM account WHERE id = ${LOST_ACCOUNT}`);
      // What both sides have alike may still be broken.
      await real.source.query(`DELETE FROM trail WHERE tenant = 't2' AND seq = 77`);
      await real.source.query(`UPDATE leaf SET items = items || '\\x03'::bytea WHERE first = 100`);
      const expected = [
        ...rows,
        `event, reference: account refers to '${LOST_ACCOUNT}', as do 9 more rows; public.account has no row with that id.`,
        `event, sequence: Sequence public.event_id_seq of column id is behind in the target: it is at 5, and had been advanced to ${ROWS}.`,
        `leaf, chain: The run of tree 'x' breaks at row x/102: first is '102', and the rows before it end at '103'.`,
        `trail, chain: The chain of tenant 't2' breaks at row ${LINKS + 78} (seq 78): previous is '${md5('2/77')}', and the row before it has hash '${md5('2/76')}'.`,
      ];
      for (const full of [false, true]) {
        expect(sentences(await verify(full))).toEqual(expected.sort());
        for (const refused of [switchReads, switchWrites])
          await expect(refused()).rejects.toMatchObject({
            code: 'refused',
            message: expect.stringMatching(
              /is refused: verified \(8 differences stand, such as in public\.\w+: .+\)\.$/,
            ),
          });
      }
    },
    10 * MINUTES,
  );

  it(
    'repair mends what differs, and no more than that',
    async () => {
      const result = await verify(false, true);
      expect(result.repaired).toBe(5);
      expect(result.differences.map(({ kind }) => kind).sort()).toEqual(['chain', 'chain', 'reference']);
      await expect(switchReads()).rejects.toMatchObject({ code: 'refused' });
      await real.source.query(`INSERT INTO account VALUES (${LOST_ACCOUNT}, 'found again')`);
      await real.source.query(`INSERT INTO trail VALUES (${LINKS + 77}, 't2', 77, '${md5('2/77')}', '${md5('2/76')}')`);
      await real.source.query('UPDATE leaf SET items = items[1:2] WHERE first = 100');
      await expectClean();
      await switchReads();
    },
    10 * MINUTES,
  );

  it(
    'a switch of the writes looks for itself, and takes everything back',
    async () => {
      const rows = await rowFaults('source', 'target');
      await plantRows('target');
      const refused = await switchWrites().catch((error: unknown) => error as Error);
      expect(refused).toMatchObject({ code: 'different' });
      for (const line of rows) expect((refused as Error).message).toContain(line.slice(line.indexOf(': ') + 2));
      expect(await real.move.state.read()).toMatchObject({ phase: 'in_step', writes: 'source' });
      await real.source.query(`UPDATE event SET amount = amount + 1 WHERE id = ${ROWS / 4}`);
      expect(await verify(true, true)).toMatchObject({ clean: true, repaired: 4, differences: [] });
    },
    10 * MINUTES,
  );

  it(
    'of ten thousand rows that changed last, each that differs is found while writes stand still',
    async () => {
      await verify(false);
      await real.source.query('UPDATE event SET amount = amount + 1 WHERE id <= 10000');
      await openStream(real.move, 'source').catchUp(60_000, real.move.signal);
      await plant(real.target, 'UPDATE event SET amount = amount - 1 WHERE id IN (17, 9999)');
      const began = performance.now();
      const found = await verifyDelta(real.move, 'source', { stream: openStream(real.move, 'source') });
      figures.push(`${strategy}, the delta of 10,000 rows: ${Math.round(performance.now() - began)} ms`);
      expect(found.map(({ kind, key }) => `${kind} ${String(key)}`).sort()).toEqual(['changed 17', 'changed 9999']);
      expect(await verify(false, true)).toMatchObject({ clean: true, repaired: 2 });
    },
    10 * MINUTES,
  );

  it(
    'after the switch likewise, with the source as the one that follows',
    async () => {
      const rows = await rowFaults('target', 'source');
      await switchWrites();
      await expectClean();
      await plantRows('source');
      await plant(real.target, `SELECT setval('event_id_seq', 7)`);
      // No foreign key holds it any more.
      await real.source.query(`DELETE FROM account WHERE id = ${LOST_ACCOUNT}`);
      const expected = [
        ...rows,
        `event, reference: account refers to '${LOST_ACCOUNT}', as do 9 more rows; public.account has no row with that id.`,
        `event, sequence: Sequence public.event_id_seq of column id is behind in the target: it is at 7, and had been advanced to ${ROWS}.`,
      ];
      for (const full of [false, true]) expect(sentences(await verify(full))).toEqual(expected.sort());
      await real.source.query(`INSERT INTO account VALUES (${LOST_ACCOUNT}, 'found again')`);
      // Nothing is repaired on the side that is right.
      expect((await verify(false, true)).differences.map(({ kind }) => kind)).toEqual(['sequence']);
      await real.target.query(`SELECT setval('event_id_seq', ${ROWS})`);
      await expectClean();
    },
    10 * MINUTES,
  );
});

/** By a microsecond, as PostgreSQL shows it. */
function later(at: string): string {
  const [, head = '', fraction = '', zone = ''] = /^(.*:\d\d)(?:\.(\d+))?(\+.*)$/.exec(at)!;
  const more = String(Number(fraction.padEnd(6, '0')) + 1).padStart(6, '0');
  return `${head}.${more.replace(/0+$/, '')}${zone}`;
}
