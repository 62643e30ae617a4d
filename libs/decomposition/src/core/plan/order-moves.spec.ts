import { describe, expect, it } from '@jest/globals';
import { orderMoves, type RefersTo } from './order-moves.js';

/** `a>b` is a foreign key, `a~b` only announced. */
function refers(...texts: string[]): RefersTo[] {
  return texts.map((text) => ({ from: text[0]!, to: text[2]!, foreignKey: text[1] === '>' }));
}
const services = (sizes: Record<string, number>): { name: string; bytes: number }[] =>
  Object.entries(sizes).map(([name, bytes]) => ({ name, bytes }));
const order = (...parameters: Parameters<typeof orderMoves>): string =>
  orderMoves(...parameters)
    .map(({ service }) => service)
    .join('');

describe('orderMoves', () => {
  it('lets small ones go first where nothing refers to anything', () => {
    expect(order(services({ a: 3, b: 1, c: 2, d: 1 }), [])).toBe('bdca');
  });

  it('lets go first who refers, however large', () => {
    expect(order(services({ a: 1, b: 2, c: 3 }), refers('b>a', 'c>b'))).toBe('cba');
  });

  it('heeds what is only announced after foreign keys', () => {
    expect(order(services({ a: 1, b: 2, c: 3 }), refers('c~a', 'a>b'))).toBe('cab');
    expect(order(services({ a: 1, b: 2 }), refers('b~a', 'a>b'))).toBe('ab');
  });

  it('cuts a circle where fewest foreign keys are', () => {
    const steps = orderMoves(services({ a: 1, b: 2, c: 3 }), refers('a>b', 'a>b', 'b>c', 'c>a', 'c>a'));
    expect(steps.map(({ service, drops, dropsOfOthers }) => [service, drops, dropsOfOthers])).toEqual([
      ['c', 2, 1],
      ['a', 2, 0],
      ['b', 0, 0],
    ]);
    expect(steps[0]!.why).toBe(
      'part of a circle: its switch drops 2 foreign keys of its own, and 1 of b, not moved by then',
    );
  });

  it('counts each foreign key once, and none within a service', () => {
    const steps = orderMoves(services({ a: 1, b: 1, c: 1 }), refers('a>a', 'a>b', 'b>a', 'b>c', 'c>b', 'a>c'));
    expect(steps.reduce((sum, { drops, dropsOfOthers }) => sum + drops + dropsOfOthers, 0)).toBe(5);
  });
});
