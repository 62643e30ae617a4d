import { randomUUIDv7 } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { auditEvent, type AuditEvent } from '#contracts';
import { DeadLetters } from './dead-letters.js';
import { SinkRejectedError } from './errors.js';
import { redrive } from './redrive.js';

const event = (action: string): AuditEvent =>
  auditEvent.parse({
    id: randomUUIDv7(),
    timestamp: '2026-11-20T10:00:00.000Z',
    service: 'router',
    action,
    resource: 'shells/l1/echo',
    result: 'ALLOWED',
  });

describe('redrive', () => {
  let directory: string;
  let letters: DeadLetters;
  let written: string[];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-redrive-'));
    letters = new DeadLetters(directory);
    written = [];
  });
  afterEach(() => rm(directory, { recursive: true }));

  const sink = (answer: (events: readonly AuditEvent[]) => void = () => undefined) => ({
    write: async (events: readonly AuditEvent[]) => {
      answer(events);
      const fresh = events.filter(({ id }) => !written.includes(id));
      written.push(...fresh.map(({ id }) => id));
      return { accepted: fresh.length, duplicates: events.length - fresh.length };
    },
  });
  const refusesPoison = (events: readonly AuditEvent[]) => {
    if (events.some(({ action }) => action === 'poison')) throw new SinkRejectedError('still poison');
  };

  it('delivers what can be delivered, in order, and keeps the rest with its new reason', async () => {
    const all = Array.from({ length: 20 }, (_, i) => event(i % 7 === 3 ? 'poison' : 'fine'));
    for (const each of all) await letters.add(each, 'was refused');
    const poison = all.filter(({ action }) => action === 'poison');
    expect(await redrive(letters, sink(refusesPoison))).toEqual({
      delivered: 17,
      duplicates: 0,
      refused: poison.map(({ id }) => ({ id, reason: 'still poison' })),
      damaged: 0,
    });
    expect(written).toEqual(all.filter(({ action }) => action === 'fine').map(({ id }) => id));
    expect(await readdir(directory)).toEqual(['dead-letters.ndjson']);
    expect(await letters.count()).toBe(3);
    expect(await redrive(letters, sink())).toMatchObject({ delivered: 3, refused: [] });
    expect(await readdir(directory)).toEqual([]);
  });

  it('loses none when the sink goes away in the middle, and begins again', async () => {
    const all = Array.from({ length: 8 }, (_, i) => event(i === 5 ? 'poison' : 'fine'));
    for (const each of all) await letters.add(each, 'was refused');
    let writes = 0;
    const failing = sink((events) => {
      if (++writes > 3) throw new Error('the gatekeeper does not answer');
      refusesPoison(events);
    });
    await expect(redrive(letters, failing)).rejects.toThrow('does not answer');
    expect(await letters.count()).toBe(8);
    const before = written.length;
    expect(before).toBeGreaterThan(0);
    expect(await redrive(letters, sink(refusesPoison))).toMatchObject({ delivered: 7, duplicates: before });
    expect(new Set(written).size).toBe(7);
    expect(await letters.count()).toBe(1);
  });

  it('has nothing to do where there are no letters', async () => {
    const none = { delivered: 0, duplicates: 0, refused: [], damaged: 0 };
    expect(await redrive(new DeadLetters(join(directory, 'none')), sink())).toEqual(none);
  });
});
