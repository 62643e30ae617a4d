import { afterEach, describe, expect, it } from '@jest/globals';
import { connectionUrl } from '#database';
import { testPostgresUrl } from '#testing';
import { openMove, type Move } from '../src/core/move.js';
import { status } from '../src/core/status/status.js';
import { smallMove, type SmallMove } from './support/small-move.js';

const NOWHERE = 'postgres://nobody:secret@127.0.0.1:1/nothing';
const tools = {
  openStream: () => ({ lag: () => Promise.resolve({ seconds: 0.5, pending: 7, pendingUnit: 'bytes' as const }) }),
};

describe('status', () => {
  let small: SmallMove;
  const opened: Move[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((move) => move.close()));
    await small.drop();
  });

  async function begin(): Promise<Move> {
    small = await smallMove({
      ddl: 'CREATE TABLE things (id int PRIMARY KEY); CREATE TABLE parts (id int PRIMARY KEY)',
      data: 'INSERT INTO things SELECT generate_series(1, 100); ANALYZE things',
      tables: ['things', 'parts'],
    });
    return small.move;
  }

  /** The same move with a URL that leads elsewhere. */
  function elsewhere(urls: { source?: string; target?: string }): Move {
    const { plan } = small;
    const [service] = plan.services;
    const services = [{ ...service!, ...(urls.target && { target: urls.target }) }];
    const move = openMove({ ...plan, ...(urls.source && { source: urls.source }), services }, 'thing');
    opened.push(move);
    return move;
  }

  it('tells how a move stands', async () => {
    const move = await begin();
    await small.target.query(
      `INSERT INTO decomposition.chunks (service, table_name, place, rows, done_at)
       VALUES ('thing', 'public.things', 1, 60, now()), ('thing', 'public.things', 2, NULL, NULL)`,
    );
    await small.target.query(
      `INSERT INTO decomposition.instances (instance, service, epoch, seen_at)
       VALUES ('a', 'thing', 2, now() + interval '1 minute'), ('b', 'thing', 1, now() - interval '1 minute')`,
    );
    await small.target.query(
      `INSERT INTO decomposition.differences (service, table_name, kind, detail) VALUES ('thing', 'public.things', 'missing', '')`,
    );
    await move.state.change({ phase: 'copying' });
    await move.state.journal('copy', 'begin');
    expect(await status(move, tools)).toMatchObject({
      service: 'thing',
      phase: 'copying',
      writes: 'source',
      rows_copied: 60,
      rows_total: 100,
      chunks: { done: 1, total: 2 },
      lag_s: 0.5,
      retained_wal_bytes: 7,
      differences_open: 1,
      participants: [
        { instance: 'a', alive: true, epoch: 2, paused: false },
        { instance: 'b', alive: false },
      ],
      fenced: { source: [], target: ['public.things', 'public.parts'] },
      last_steps: [{ verb: 'copy', step: 'begin' }],
      problems: [],
      next: 'copy',
    });
  });

  it('says that nothing is there yet, with or without the database', async () => {
    await begin();
    const absent = connectionUrl(testPostgresUrl(), { database: 'split_never_made' });
    expect(await status(elsewhere({ target: absent }), tools)).toMatchObject({
      phase: null,
      rows_total: 100,
      problems: [],
      next: 'create',
    });
    await small.target.query('DROP SCHEMA decomposition CASCADE');
    expect(await status(elsewhere({}), tools)).toMatchObject({ phase: null, problems: [], blocks: [], next: 'create' });
  });

  it('says which server does not answer, and what it knows all the same', async () => {
    await begin();
    await small.move.state.change({ phase: 'in_step' });
    const [noSource, noTarget] = [elsewhere({ source: NOWHERE }), elsewhere({ target: NOWHERE })];
    const withoutSource = await status(noSource, tools);
    expect(withoutSource).toMatchObject({ phase: 'in_step', rows_total: null, lag_s: null });
    expect(withoutSource.problems).toEqual([
      expect.stringMatching(/^the source of thing cannot be reached: .*127\.0\.0\.1:1/),
    ]);
    const withoutTarget = await status(noTarget, tools);
    expect(withoutTarget).toMatchObject({ phase: null, rows_total: 100, next: null });
    expect(withoutTarget.blocks).toEqual([expect.stringContaining('the target of thing cannot be reached')]);
    expect(JSON.stringify([withoutSource, withoutTarget])).not.toContain('secret');
  });

  it('goes on when the stream cannot tell', async () => {
    const move = await begin();
    await move.state.change({ phase: 'in_step' });
    const broken = { openStream: () => ({ lag: () => Promise.reject(new Error('no slot')) }) };
    expect(await status(move, broken)).toMatchObject({ phase: 'in_step', lag_s: null, problems: ['no slot'] });
  });
});
