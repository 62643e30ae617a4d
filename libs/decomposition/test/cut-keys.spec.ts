import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openMove, verbs, type Move } from '#decomposition';
import { acgsSample, type AcgsSample } from './support/acgs.js';
import { patiently } from './support/patiently.js';

/** Nobody's writes wait for it. */
const SWITCH = { dryRun: false, pauseTimeoutMs: 20_000 };
/** Refer to users: of integrity, of dgm. */
const OF_INTEGRITY = ['audit_logs_session_fkey', 'audit_logs_user_fkey', 'integrity_checks_user_fkey'];
const OF_DGM = 'improvements_user_fkey';
const OF_BOTH = [...OF_INTEGRITY, OF_DGM].sort();

describe('foreign keys between services, whichever goes first', () => {
  let sample: AcgsSample;
  const moves: Move[] = [];
  let integrity: Move;
  let auth: Move;
  let dgm: Move;

  const create = (move: Move): Promise<unknown> =>
    verbs.create(move, { dryRun: false, passwords: () => 'of-this-test', migrate: () => Promise.resolve() });
  const fill = async (move: Move): Promise<void> => {
    await verbs.copy(move);
    expect(await verbs.verify(move, { full: false, repair: false })).toMatchObject({ clean: true });
  };
  const there = (move: Move): Promise<unknown> => patiently(() => verbs.switchWrites(move, SWITCH));
  const back = (move: Move): Promise<unknown> => patiently(() => verbs.reverse(move, SWITCH));
  /** Of those that refer to what auth takes. */
  const keys = async (): Promise<string[]> => {
    const { rows } = await sample.source.run(`SELECT conname AS name FROM pg_constraint WHERE conname = ANY ($1)`, [
      OF_BOTH,
    ]);
    return (rows as { name: string }[]).map(({ name }) => name).sort();
  };

  beforeAll(async () => {
    sample = await acgsSample(20);
    const open = (name: string): Move => {
      const move = openMove(sample.plan, name);
      moves.push(move);
      return move;
    };
    integrity = open('integrity');
    auth = open('auth');
    dgm = open('dgm');
    for (const move of [integrity, dgm]) {
      await create(move);
      await fill(move);
    }
  });
  afterAll(async () => {
    for (const move of moves) await move.close();
    await sample?.drop();
  });

  it('what is not created yet is said so, whichever verb is asked', async () => {
    for (const verb of [
      () => verbs.copy(auth),
      () => verbs.verify(auth, { full: false, repair: false }),
      () => there(auth),
      () => back(auth),
    ])
      await expect(verb()).rejects.toMatchObject({ code: 'not_created', next: 'Run `create` first.' });
    expect(await auth.state.find()).toBeUndefined();
  });

  it('one that came back after the other was created is cut by the switch of that one', async () => {
    await there(integrity);
    expect(await keys()).toEqual([OF_DGM]);
    await create(auth);
    await fill(auth);
    await back(integrity);
    expect(await keys()).toEqual(OF_BOTH);
    await there(auth);
    expect(await keys()).toEqual([]);
  });

  it('is not made again by a move whose other end has moved, nor for a moment', async () => {
    await there(integrity);
    await back(integrity);
    expect(await keys()).toEqual([]);
    await there(integrity);
  });

  it('a table that is gone does not stand in the way of those that it referred to', async () => {
    await there(dgm);
    await patiently(() => verbs.complete(dgm, { dryRun: false, now: true }));
    await back(auth);
    expect(await keys()).toEqual([]);
    await there(auth);
    await back(integrity);
    await back(auth);
    expect(await keys()).toEqual(OF_INTEGRITY);
  });
});
