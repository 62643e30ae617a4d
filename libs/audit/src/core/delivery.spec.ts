import { randomUUIDv7 } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { auditEvent, type AuditEvent } from '#contracts';
import { Delivery } from './delivery.js';
import { SinkRejectedError } from './errors.js';

const event = (resource: string): AuditEvent =>
  auditEvent.parse({
    id: randomUUIDv7(),
    timestamp: '2026-11-20T10:00:00.000Z',
    service: 'router',
    action: 'execute',
    resource,
    result: 'ALLOWED',
  });

describe('Delivery', () => {
  const log = { info: () => undefined, warn: () => undefined };
  /** Takes everything but events named `poison`. */
  const sink = {
    written: [] as AuditEvent[],
    write: async (events: readonly AuditEvent[]) => {
      if (events.some(({ resource }) => resource === 'poison')) throw new SinkRejectedError('no such month');
      sink.written.push(...events);
      return { accepted: events.length, duplicates: 0 };
    },
    close: async () => undefined,
  };

  it('isolates the events that can never be written, keeps the order of the others, and counts both', async () => {
    const letters: string[] = [];
    const deadLetters = { add: async ({ id }: AuditEvent) => void letters.push(id) };
    const delivery = new Delivery(sink, deadLetters, log, undefined, new AbortController().signal);
    const events = ['a', 'poison', 'b', 'c', 'poison', 'poison', 'd'].map(event);
    expect(await delivery.deliver(events)).toEqual({ persisted: 4, deadLettered: 3 });
    expect(sink.written.splice(0).map(({ resource }) => resource)).toEqual(['a', 'b', 'c', 'd']);
    expect(letters).toEqual(events.filter(({ resource }) => resource === 'poison').map(({ id }) => id));
  });

  it('takes a letter that was kept only after the stop for one that was not: it has been counted as left already', async () => {
    const stop = new AbortController();
    const deadLetters = { add: async () => stop.abort() };
    const delivery = new Delivery(sink, deadLetters, log, undefined, stop.signal);
    expect(await delivery.deliver([event('poison')])).toBeUndefined();
  });
});
