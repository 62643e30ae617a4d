import { afterEach, describe, expect, it } from '@jest/globals';
import { startSecondServer, waitFor, type SecondServer } from '#testing';
import { copy } from '../src/core/copy/copy.js';
import { type Move } from '../src/core/move.js';
import { openStream } from '../src/core/stream/open-stream.js';
import { contentOf } from './support/content.js';
import { copyAndKill } from './support/copy-process.js';
import { RESTLESS_DATA, RESTLESS_DDL, RESTLESS_TABLES, startWriters } from './support/restless-writers.js';
import { smallMove, type SmallMove, type SmallMoveOptions } from './support/small-move.js';

const SLOW = 240_000;
/** What the copy makes last: it would refuse what does not fit. */
const finish = async (move: Move): Promise<void> => {
  await move.databases.target.query('CREATE UNIQUE INDEX IF NOT EXISTS doc_place ON doc (place)');
};

describe('copy, while others write', () => {
  const open: SmallMove[] = [];
  const writers: ReturnType<typeof startWriters>[] = [];
  const servers: SecondServer[] = [];
  afterEach(async () => {
    for (const one of writers.splice(0)) await one.stop();
    for (const one of open.splice(0)) await one.drop();
    for (const one of servers.splice(0)) await one.stop();
  });

  const make = async (options: Partial<SmallMoveOptions> = {}): Promise<SmallMove> => {
    const small = await smallMove({
      ddl: RESTLESS_DDL,
      data: RESTLESS_DATA,
      tables: RESTLESS_TABLES,
      settings: { copy: { chunk_rows: 40 } },
      ...options,
    });
    open.push(small);
    return small;
  };
  const expectEqual = async (move: Move): Promise<void> => {
    await openStream(move, 'source').catchUp(60_000, move.signal);
    const [source, target] = await Promise.all([contentOf(move, 'source'), contentOf(move, 'target')]);
    expect(target).toEqual(source);
  };
  const secondServer = async (): Promise<SecondServer> => {
    const server = await startSecondServer();
    servers.push(server);
    return server;
  };
  /** A stream that stands still for a moment while others write is told of as keeping too much: run it again, that says. */
  const untilThrough = async (work: () => Promise<unknown>): Promise<void> => {
    for (let attempt = 1; ; attempt++)
      try {
        return void (await work());
      } catch (error) {
        if (attempt === 10 || !(error as Error).message.includes('bytes of log for this move')) throw error;
      }
  };
  const startWriting = (small: SmallMove): ReturnType<typeof startWriters> => {
    const started = startWriters(small.reopen().databases.source);
    writers.push(started);
    return started;
  };

  it(
    'is stopped at random and run again until it is through; nothing is lost, changed or doubled',
    async () => {
      const small = await make();
      const writing = startWriting(small);
      let interrupted = 0;
      for (;;) {
        const stop = new AbortController();
        let left = Math.floor(Math.random() * 12);
        const at = (): void => void (left-- <= 0 && interrupted < 8 && stop.abort());
        const move = small.reopen({ signal: stop.signal, progress: { note: at, at } });
        try {
          expect(await copy(move, { finish })).toMatchObject({ phase: 'in_step' });
          break;
        } catch (error) {
          expect(error).toMatchObject({ code: 'interrupted' });
          interrupted += 1;
        }
      }
      expect(interrupted).toBeGreaterThan(2);
      expect(await writing.stop()).toBeGreaterThan(100);
      await expectEqual(small.move);
    },
    SLOW,
  );

  it(
    'is killed, and run again',
    async () => {
      const small = await make();
      const writing = startWriting(small);
      expect(await copyAndKill(small.plan, 'thing', 'copy public.doc')).toBe(true);
      expect(await copyAndKill(small.plan, 'thing', 'copy public.tick')).toBe(true);
      await copy(small.move, { finish });
      await writing.stop();
      await expectEqual(small.move);
    },
    SLOW,
  );

  it(
    'rests again and again to let the stream work off what is kept',
    async () => {
      const small = await make({ settings: { copy: { chunk_rows: 100, max_retained_wal: 3_000_000 } } });
      await copy(small.move, { until: 'planned' });
      const writing = startWriting(small);
      const { copyAid } = openStream(small.move, 'source');
      await waitFor('much to be kept', async () => (await copyAid!.kept()).pending > 3_500_000, 60_000);
      await untilThrough(() => copy(small.move, { finish }));
      await writing.stop();
      await expectEqual(small.move);
      const { rowCount } = await small.target.query(`SELECT FROM decomposition.journal WHERE step = 'worked_off'`);
      expect(rowCount).toBeGreaterThan(0);
    },
    SLOW,
  );

  it(
    'goes to another server, from where the other stream comes back',
    async () => {
      const { url } = await secondServer();
      const small = await make({ servers: { target: url } });
      const writing = startWriting(small);
      const forward = openStream(small.move, 'source');
      await copy(small.move, { finish });
      await writing.stop();
      await expectEqual(small.move);
      const reverse = openStream(small.move, 'target');
      await reverse.capture();
      await forward.stop();
      await reverse.skipToNow();
      await reverse.start();
      await small.target.query(
        `BEGIN; SET LOCAL session_replication_role = replica; UPDATE doc SET n = 7; DELETE FROM tick; COMMIT`,
      );
      await reverse.catchUp(60_000, small.move.signal);
      expect(await contentOf(small.move, 'source')).toEqual(await contentOf(small.move, 'target'));
      for (const stream of [forward, reverse]) await stream.end();
    },
    SLOW,
  );

  it('goes on after both servers crashed in the middle of it', async () => {
    const { url, crash } = await secondServer();
    const small = await make({ servers: { source: url, target: url } });
    let crashed: Promise<void> | undefined;
    const at = (step: string): void => void (step.startsWith('copy ') && (crashed ??= crash()));
    const doomed = small.reopen({ progress: { note: () => undefined, at } });
    const tooEarly = async (): Promise<void> => {
      await crashed;
      throw new Error('it was through with the rows before the servers were gone');
    };
    await expect(copy(doomed, { finish: tooEarly })).rejects.toThrow();
    await crashed;
    await small.source.query(`UPDATE doc SET n = 5 WHERE id % 3 = 0; UPDATE doc SET id = id + 5000 WHERE id % 50 = 0`);
    await copy(small.move, { finish });
    await expectEqual(small.move);
  }, 240_000);
});
