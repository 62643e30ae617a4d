import { randomUUIDv7 } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { auditEvent, type AuditEvent } from '#contracts';
import { EventQueue } from './event-queue.js';
import { type Position } from './spool/cursor.js';

const EVENT = auditEvent.parse({
  id: randomUUIDv7(),
  timestamp: '2026-11-20T10:00:00.000Z',
  service: 'router',
  action: 'execute',
  resource: 'shells/l1/echo',
  result: 'ALLOWED',
});
const event = (sequence: number): AuditEvent => ({ ...EVENT, sequence });
const place = (index: number): Position => ({ segment: 1, offset: 64 + index * 100, index });
const sequences = (events: readonly AuditEvent[]) => events.map(({ sequence }) => sequence);

describe('EventQueue', () => {
  it('gives what it took, in order, whatever is pushed, looked at and dropped', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant('push' as const), fc.nat(5)), { maxLength: 200 }), (steps) => {
        const queue = new EventQueue(1000, 1e6);
        const expected: number[] = [];
        steps.forEach((step, i) => {
          if (step === 'push') {
            queue.push(event(i + 1), 10, place(i));
            expected.push(i + 1);
          } else {
            const count = Math.min(step, expected.length);
            expect(sequences(queue.peek(0, count).events)).toEqual(expected.slice(0, count));
            queue.drop(count);
            expected.splice(0, count);
          }
          expect(queue.length).toBe(expected.length);
          expect(queue.first?.sequence).toBe(expected[0]);
          expect(sequences(queue.peek(0, Infinity).events)).toEqual(expected);
        });
      }),
    );
  });

  it('does not hold what was dropped', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const queue = new EventQueue(10, 1e6);
    const pushed = Array.from({ length: 10 }, (_, i) => {
      const one = event(i);
      queue.push(one, 10, place(i));
      return new WeakRef(one);
    });
    queue.drop(5);
    // Until then a new WeakRef holds its object.
    await turn();
    collect();
    expect(pushed.map((one) => one.deref()?.sequence)).toEqual([...Array<undefined>(5), 5, 6, 7, 8, 9]);
    expect(queue.length).toBe(5);
  });

  it('has room within both bounds, and for any one event when it is empty', () => {
    const queue = new EventQueue(3, 100);
    expect(queue.push(event(1), 500, null)).toBe(true);
    expect(queue.push(event(2), 1, null)).toBe(false);
    queue.drop(1);
    for (let i = 0; i < 2; i++) expect(queue.push(event(i), 50, null)).toBe(true);
    expect(queue.hasRoom(0)).toBe(true);
    expect(queue.hasRoom(1)).toBe(false);
    queue.drop(1);
    for (let i = 0; i < 2; i++) expect(queue.push(event(i), 10, null)).toBe(true);
    expect(queue.hasRoom(0)).toBe(false);
    expect(queue.length).toBe(3);
  });

  it('tells the place behind what was looked at, and keeps a look within bounds', () => {
    const queue = new EventQueue(10, 1000);
    for (let i = 1; i <= 5; i++) queue.push(event(i), 100, i === 3 ? null : place(i));
    expect(queue.peek(0, 2)).toMatchObject({ end: place(2) });
    expect(queue.peek(1, 2)).toMatchObject({ end: null });
    expect(sequences(queue.peek(1, 10, 150).events)).toEqual([2, 3]);
    expect(queue.peek(5, 10)).toEqual({ events: [], end: null });
  });

  it('knows which events are in no file: only these need to be written when the logger closes', () => {
    const queue = new EventQueue(10, 1000);
    for (let i = 1; i <= 6; i++) queue.push(event(i), 10, i % 2 ? null : place(i));
    queue.drop(1);
    expect(sequences(queue.unspooled())).toEqual([3, 5]);
  });
});
