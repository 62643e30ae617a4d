import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Move } from '../src/core/move.js';
import { reverse } from '../src/core/switch/reverse.js';
import { switchWrites } from '../src/core/switch/switch-writes.js';
import { mortalMove } from './support/mortal-move.js';
import { patiently } from './support/patiently.js';
import { compare } from './support/plain-tools.js';
import { switchCase, type SwitchCase } from './support/switch-case.js';

let one: SwitchCase;
beforeAll(async () => {
  one = await switchCase();
  one.standIn('a');
});
afterAll(() => one?.drop());

type Verb = (move: Move) => Promise<unknown>;
const options = () => ({ tools: one.tools, pauseTimeoutMs: 20_000 });
const forth: Verb = (move) => patiently(() => switchWrites(move, options()));
const back: Verb = (move) => patiently(() => reverse(move, options()));

/** @returns false when the run was through before it could be killed */
async function killedAt(verb: Verb, query: number): Promise<boolean> {
  const { move, died } = mortalMove(one.move, query);
  const run = verb(move).then(() => 'through' as const);
  const end = await Promise.race([run, died]);
  const open = await one.openSides();
  expect(open.length).toBeLessThan(2);
  return end !== 'through';
}

async function expectAtRest(side: 'source' | 'target'): Promise<void> {
  expect(await one.openSides()).toEqual([side]);
  expect(await one.move.state.read()).toMatchObject({
    writes: side,
    phase: side === 'source' ? 'in_step' : 'switched',
  });
  expect(await one.hasKey()).toBe(side === 'source');
}

/** Every eleventh query, each run of the tests from another one on: with a stride of 1 it takes five minutes. */
const STRIDE = 11;
const FIRST = 1 + Math.floor(Math.random() * STRIDE);

describe('killed after one of its queries', () => {
  it(`switch-writes goes through when it is run again (from query ${FIRST} on)`, async () => {
    for (let query = FIRST; await killedAt(forth, query); query += STRIDE) {
      await forth(one.move);
      await expectAtRest('target');
      await back(one.move);
      await expectAtRest('source');
    }
    await back(one.move);
    expect(await compare(one.move, 'source')).toEqual([]);
  });

  it(`switch-writes is taken back by reverse (from query ${FIRST} on)`, async () => {
    for (let query = FIRST; await killedAt(forth, query); query += STRIDE) {
      await back(one.move);
      await expectAtRest('source');
    }
    await back(one.move);
    expect(await compare(one.move, 'source')).toEqual([]);
  });

  it(`reverse goes through when it is run again (from query ${FIRST} on)`, async () => {
    await forth(one.move);
    for (let query = FIRST; await killedAt(back, query); query += STRIDE) {
      await back(one.move);
      await expectAtRest('source');
      await forth(one.move);
      await expectAtRest('target');
    }
    await expectAtRest('source');
    expect(await compare(one.move, 'source')).toEqual([]);
  });
});
