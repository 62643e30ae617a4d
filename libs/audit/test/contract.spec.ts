import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AuditError, type AuditLogger } from '#audit';
import { waitFor } from '#testing';
import { EventClock } from '../src/core/event-clock.js';
import { FaultyFiles } from './support/faulty-files.js';
import { FaultySink } from './support/faulty-sink.js';
import { expectBalance, LoggerHarness, record } from './support/logger-harness.js';

const NEVER = new Promise<never>(() => undefined);
const code = (name: string) => expect.objectContaining({ code: name });
const turn = () => new Promise(setImmediate);

/** README.md, line by line. */
describe('the contract of the audit logger', () => {
  let harness: LoggerHarness;
  let sink: FaultySink;
  beforeEach(async () => {
    harness = await LoggerHarness.create();
    sink = harness.sink;
  });
  afterEach(() => harness.dispose());

  const ids = () => sink.events.map(({ id }) => id);
  const segments = async () => (await readdir(harness.directory)).filter((name) => name.endsWith('.segment'));
  /** What is in the spool's files, as text. */
  const spooled = async () => {
    const files = await Promise.all(
      (await segments()).map((name) => readFile(join(harness.directory, name), 'latin1')),
    );
    return files.join('');
  };
  const recordMany = (logger: AuditLogger, count: number) =>
    Array.from({ length: count }, () => logger.record(record()));

  describe('1. record', () => {
    it('stamps id, time of the call, service, producer and sequence', async () => {
      const clock = new EventClock(() => Date.parse('2026-11-20T10:00:00.123Z'));
      const logger = await harness.open({ clock });
      const first = logger.record(record());
      const second = logger.record(record());
      expect(first).toMatchObject({ timestamp: '2026-11-20T10:00:00.123000Z', sequence: 1 });
      expect(second).toMatchObject({ timestamp: '2026-11-20T10:00:00.123001Z', sequence: 2 });
      expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      await logger.flush();
      const { id, timestamp } = first;
      const producer = expect.stringMatching(/^[0-9a-f-]{36}$/);
      expect(sink.events[0]).toMatchObject({
        id,
        timestamp,
        service: 'test',
        tenant_id: 'default',
        producer,
        sequence: 1,
      });
      expect(sink.events[1]!.producer).toBe(sink.events[0]!.producer);
    });

    it('returns before the sink has anything', async () => {
      sink.hold = NEVER;
      const logger = await harness.open();
      logger.record(record());
      expect(logger.stats()).toMatchObject({ accepted: 1, queued: 1, persisted: 0 });
      expect(sink.writes).toHaveLength(0);
    });

    it.each([
      ['an unknown result', record({ result: 'MAYBE' as never })],
      ['a missing resource', { action: 'a', result: 'ALLOWED' } as never],
      ['metadata that PostgreSQL cannot hold', record({ metadata: { x: '\ud800' } })],
    ])('refuses %s at once and enqueues nothing', async (_name, bad) => {
      const logger = await harness.open();
      expect(() => logger.record(bad)).toThrow(code('audit_invalid'));
      expect(logger.stats()).toMatchObject({ accepted: 0, queued: 0, refused: 0 });
      expect(logger.record(record()).sequence).toBe(1);
    });

    it('keeps what the record was, whatever the caller does to it afterwards', async () => {
      const logger = await harness.open();
      const metadata = { nested: { answer: 42 } };
      logger.record(record({ metadata }));
      metadata.nested.answer = 43;
      await logger.flush();
      expect(sink.events[0]!.metadata).toEqual({ nested: { answer: 42 } });
    });
  });

  describe('2. durability', () => {
    it('process: durable once the event is in the file, without waiting for the sink', async () => {
      sink.hold = NEVER;
      const logger = await harness.open();
      const { id, durable } = logger.record(record());
      await durable;
      expect(await spooled()).toContain(id);
    });

    it('process: writes once for all of a turn', async () => {
      sink.hold = NEVER;
      const files = new FaultyFiles();
      const logger = await harness.open({ files });
      files.calls.writeSync = 0;
      await Promise.all(recordMany(logger, 50).map(({ durable }) => durable));
      expect(files.calls.writeSync).toBe(1);
      await Promise.all(recordMany(logger, 50).map(({ durable }) => durable));
      expect(files.calls.writeSync).toBe(2);
    });

    it('disk: durable only after an fdatasync, which turns share', async () => {
      sink.hold = NEVER;
      const files = new FaultyFiles();
      const logger = await harness.open({ files, durability: 'disk' });
      const datasync = files.datasync;
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      files.datasync = async (fd) => {
        await gate;
        await datasync(fd);
      };
      let resolved = 0;
      const durables: Promise<void>[] = [];
      for (let i = 0; i < 5; i++) {
        durables.push(logger.record(record()).durable.then(() => void resolved++));
        await turn();
      }
      expect(resolved).toBe(0);
      release();
      await Promise.all(durables);
      // The first turn's, and one for the four that ended meanwhile.
      expect(files.calls.datasync).toBe(2);
      expect(logger.stats().fsync_ms).toBeGreaterThan(0);
    });

    it('memory: durable at once, and nothing in a file until the logger closes', async () => {
      sink.down = true;
      const logger = await harness.open({ durability: 'memory' });
      const { id, durable } = logger.record(record());
      await durable;
      expect(await segments()).toEqual([]);
      await logger.close(10);
      expect(await spooled()).toContain(id);
    });
  });

  describe('3. back-pressure', () => {
    it('beyond memory an event waits in the spool, and is delivered in order', async () => {
      sink.down = true;
      const logger = await harness.open({ maxEvents: 10, batchSize: 7 });
      const receipts = recordMany(logger, 100);
      await receipts[99]!.durable;
      expect(logger.stats()).toMatchObject({ accepted: 100, queued: 10, spooled: 90 });
      expectBalance(logger);
      sink.down = false;
      receipts.push(...recordMany(logger, 20));
      await logger.flush();
      expect(ids()).toEqual(receipts.map(({ id }) => id));
      expect(logger.stats()).toMatchObject({ persisted: 120, queued: 0, spooled: 0 });
      // Memory has caught up: what comes now is not read back from the disk.
      logger.record(record());
      expect(logger.stats()).toMatchObject({ queued: 1, spooled: 0 });
    });

    it('memory is bounded in bytes too', async () => {
      sink.down = true;
      const logger = await harness.open({ maxBytes: 4000 });
      for (let i = 0; i < 10; i++) logger.record(record({ metadata: { x: 'y'.repeat(1000) } }));
      expect(logger.stats().queued).toBeLessThan(4);
      expectBalance(logger);
    });

    it('beyond the spool record refuses, counts it, says so once, and takes more once there is room', async () => {
      sink.down = true;
      const logger = await harness.open({ maxEvents: 10, maxSpoolBytes: 512 * 1024 });
      const big = record({ metadata: { x: 'y'.repeat(10_000) } });
      const accepted: string[] = [];
      const fill = () => {
        for (let i = 0; i < 100; i++) accepted.push(logger.record(big).id);
      };
      expect(fill).toThrow(code('audit_queue_full'));
      expect(fill).toThrow(code('audit_queue_full'));
      expect(logger.refusing).toContain('full');
      expect(logger.stats().refused).toBe(2);
      expect(harness.warnings.filter((text) => text.includes('is full'))).toHaveLength(1);
      expectBalance(logger);
      sink.down = false;
      expect(await logger.room(20_000)).toBe(true);
      accepted.push(logger.record(big).id);
      await logger.flush();
      expect(ids()).toEqual(accepted);
      expect(harness.infos).toContain('audit: there is room for records again');
    });

    it('says that the disk does not keep up when that is what refuses', async () => {
      const files = new FaultyFiles();
      let release: () => void = () => undefined;
      const disk = new Promise<void>((resolve) => (release = resolve));
      files.datasync = () => disk;
      const logger = await harness.open({ files, durability: 'disk' });
      const large = record({ metadata: { x: 'y'.repeat(32_000) } });
      const fill = () => {
        for (let i = 0; i < 2500; i++) logger.record(large);
      };
      expect(fill).toThrow(/the disk does not keep up/);
      expect(logger.refusing).toContain('the disk does not keep up');
      release();
      expect(await logger.room(20_000)).toBe(true);
    });

    it('in durability memory record refuses beyond memory', async () => {
      sink.down = true;
      const logger = await harness.open({ durability: 'memory', maxEvents: 3 });
      recordMany(logger, 3);
      expect(() => logger.record(record())).toThrow(code('audit_queue_full'));
      expect(await logger.room(20)).toBe(false);
      sink.down = false;
      await logger.flush();
      logger.record(record());
      expectBalance(logger);
    });

    it.each(['ENOSPC', 'EIO'] as const)(
      'while the disk says %s record refuses; it recovers by itself, and has lost nothing',
      async (fault) => {
        const files = new FaultyFiles();
        // Nothing goes to the sink before the flush: its acknowledgement would meet the disk too.
        const logger = await harness.open({ files, flushIntervalMs: 60_000 });
        const before = logger.record(record());
        await before.durable;
        files.refusal = fault;
        const hit = logger.record(record());
        await expect(hit.durable).rejects.toEqual(code('audit_not_durable'));
        expect(() => logger.record(record())).toThrow(code('audit_disk_refused'));
        expect(logger.refusing).toContain(fault);
        expect(logger.stats()).toMatchObject({ accepted: 2, refused: 1 });
        files.refusal = undefined;
        expect(await logger.room(20_000)).toBe(true);
        const after = logger.record(record());
        await after.durable;
        await logger.flush();
        expect(ids()).toEqual([before.id, hit.id, after.id]);
        expect(harness.warnings).toHaveLength(1);
        expectBalance(logger);
      },
    );
  });

  describe('4. the balance', () => {
    it('holds at every moment while events come, wait, spill, die and arrive', async () => {
      sink.poison = ({ action }) => action === 'poison';
      const logger = await harness.open({ maxEvents: 20, batchSize: 6 });
      for (let round = 0; round < 50; round++) {
        sink.down = round % 7 === 3;
        for (let i = 0; i < 10; i++) {
          logger.record(record({ action: i === 5 ? 'poison' : 'a' }));
          expectBalance(logger);
        }
        await turn();
        expectBalance(logger);
      }
      sink.down = false;
      await logger.flush();
      expect(logger.stats()).toMatchObject({ accepted: 500, persisted: 450, dead_lettered: 50, queued: 0, spooled: 0 });
    });
  });

  describe('5. order', () => {
    it('keeps the order of 1000 records over many batches', async () => {
      const logger = await harness.open({ batchSize: 7 });
      const receipts = recordMany(logger, 1000);
      await logger.flush();
      expect(ids()).toEqual(receipts.map(({ id }) => id));
      expect(sink.events.map(({ sequence }) => sequence)).toEqual(receipts.map((_, i) => i + 1));
      const times = sink.events.map(({ timestamp }) => timestamp);
      expect([...times].sort()).toEqual(times);
    });

    it('lets batches overtake each other at the sink, and acknowledges them in order', async () => {
      const releases: (() => void)[] = [];
      const concurrent = new FaultySink(2);
      const write = concurrent.write.bind(concurrent);
      concurrent.write = async (events) => {
        await new Promise<void>((resolve) => releases.push(resolve));
        return write(events);
      };
      const logger = await harness.open({ sink: concurrent, batchSize: 3 });
      recordMany(logger, 6);
      await waitFor('both batches to be under way', () => releases.length === 2);
      releases[1]!();
      await waitFor('the second to arrive', () => concurrent.events.length === 3);
      expect(logger.stats()).toMatchObject({ persisted: 0, queued: 6 });
      releases[0]!();
      await logger.flush();
      expect(logger.stats()).toMatchObject({ persisted: 6, queued: 0 });
    });

    it('begins anew with each producer', async () => {
      const first = await harness.open();
      first.record(record());
      await first.close();
      const second = await harness.open();
      expect(second.record(record()).sequence).toBe(1);
      await second.flush();
      expect(new Set(sink.events.map(({ producer }) => producer)).size).toBe(2);
    });
  });

  describe('6. sinks', () => {
    it('tries a failing sink again until it works, warning once', async () => {
      sink.down = true;
      const logger = await harness.open();
      const { id } = logger.record(record());
      await waitFor('the retries', () => logger.stats().retries >= 5);
      expect(logger.stats().lag_ms).toBeGreaterThan(0);
      sink.down = false;
      await logger.flush();
      expect(ids()).toEqual([id]);
      expect(harness.warnings).toHaveLength(1);
      expect(harness.infos).toContain('audit: the sink takes events again');
    });

    it('sets a poison event aside with its reason, and writes the rest in order', async () => {
      sink.poison = ({ action }) => action === 'poison';
      const logger = await harness.open();
      for (let i = 0; i < 20; i++) logger.record(record({ action: i === 7 || i === 13 ? 'poison' : `a${i}` }));
      await logger.flush();
      const rest = Array.from({ length: 20 }, (_, i) => `a${i}`).filter((action) => !['a7', 'a13'].includes(action));
      expect(sink.events.map(({ action }) => action)).toEqual(rest);
      expect(logger.stats()).toMatchObject({ persisted: 18, dead_lettered: 2 });
      expectBalance(logger);
      const letters = (await readFile(join(harness.directory, 'dead-letters.ndjson'), 'utf8')).trim().split('\n');
      expect(letters.map((line) => JSON.parse(line) as object)).toEqual([
        expect.objectContaining({ action: 'poison', dead_letter_reason: 'poison' }),
        expect.objectContaining({ action: 'poison', dead_letter_reason: 'poison' }),
      ]);
    });

    it('keeps trying to keep a dead letter while the disk refuses it', async () => {
      sink.poison = ({ action }) => action === 'poison';
      const files = new FaultyFiles();
      const logger = await harness.open({ files, flushIntervalMs: 60_000 });
      const last = [logger.record(record({ action: 'poison' })), logger.record(record({ action: 'good' }))][1]!;
      await last.durable;
      files.refusal = 'ENOSPC';
      const flushed = logger.flush();
      await waitFor('the refusal', () => harness.warnings.some((text) => text.includes('dead letter')));
      expect(logger.stats()).toMatchObject({ dead_lettered: 0, queued: 2 });
      files.refusal = undefined;
      await flushed;
      expect(sink.events.map(({ action }) => action)).toEqual(['good']);
      expect(logger.stats()).toMatchObject({ persisted: 1, dead_lettered: 1, queued: 0 });
    });
  });

  describe('7. the spool', () => {
    it('is emptied behind what the sink has', async () => {
      const logger = await harness.open({ maxSpoolBytes: 1024 * 1024 });
      for (let round = 0; round < 20; round++) {
        for (let i = 0; i < 10; i++) logger.record(record({ metadata: { x: 'y'.repeat(10_000) } }));
        await logger.flush();
        await waitFor('the segments to go', async () => (await segments()).length <= 1);
      }
      expect(sink.events).toHaveLength(200);
    });

    it('replays what an earlier run left, before anything new, and then forgets it', async () => {
      sink.down = true;
      const first = await harness.open();
      const left = recordMany(first, 30).map(({ id }) => id);
      await first.close(20);
      expect(first.stats()).toMatchObject({ accepted: 30, spooled: 30, queued: 0, persisted: 0 });
      expectBalance(first);

      sink.down = false;
      const second = await harness.open({ batchSize: 8 });
      const later = second.record(record()).id;
      expectBalance(second);
      await second.flush();
      expect(ids()).toEqual([...left, later]);
      expect(second.stats()).toMatchObject({ accepted: 31, persisted: 31, spooled: 0 });
      await second.close();

      const third = await harness.open();
      expect(third.stats().accepted).toBe(0);
    });

    it.each(['process', 'disk', 'memory'] as const)(
      '%s: lasts through runs that cannot deliver it either',
      async (durability) => {
        sink.down = true;
        for (let run = 0; run < 3; run++) {
          const logger = await harness.open({ durability });
          logger.record(record({ action: `run${run}` }));
          await logger.close(20);
          expect(logger.stats()).toMatchObject({ accepted: run + 1, spooled: run + 1 });
          expectBalance(logger);
        }
        sink.down = false;
        const last = await harness.open();
        await last.flush();
        expect(sink.events.map(({ action }) => action)).toEqual(['run0', 'run1', 'run2']);
      },
    );

    it('has one holder; a second one does not start, and says who it is', async () => {
      await harness.open({ service: 'gatekeeper' });
      await expect(harness.open()).rejects.toThrow(new RegExp(`held by gatekeeper, process ${process.pid} on `));
    });
  });

  describe('8. lifecycle', () => {
    it('flush leaves it open, and resolves when nothing waits', async () => {
      const logger = await harness.open();
      await logger.flush();
      logger.record(record());
      await Promise.all([logger.flush(), logger.flush()]);
      logger.record(record());
      await logger.flush();
      expect(sink.events).toHaveLength(2);
    });

    it('flush waits once for all who call it with nothing accepted in between', async () => {
      sink.down = true;
      const logger = await harness.open();
      logger.record(record());
      const first = logger.flush();
      for (let i = 0; i < 1000; i++) expect(logger.flush()).toBe(first);
      logger.record(record());
      const second = logger.flush();
      expect(second).not.toBe(first);
      sink.down = false;
      await Promise.all([first, second]);
      expect(sink.events).toHaveLength(2);
    });

    it('flush does not wait for what is recorded after it', async () => {
      const logger = await harness.open({ batchSize: 1 });
      logger.record(record());
      const flushed = logger.flush();
      await turn();
      sink.hold = NEVER;
      logger.record(record());
      await flushed;
      expect(sink.events.length).toBeGreaterThanOrEqual(1);
    });

    it('close flushes, frees the sink once however often it is called, and refuses what comes after', async () => {
      const logger = await harness.open();
      logger.record(record());
      await Promise.all([logger.close(), logger.close()]);
      await logger.close();
      expect(sink.events).toHaveLength(1);
      expect(sink.closed).toBe(1);
      expect(() => logger.record(record())).toThrow(AuditError);
      expect(() => logger.record(record())).toThrow(code('audit_closed'));
    });

    it.each(['process', 'disk', 'memory'] as const)(
      '%s: closes by its deadline even while a write hangs, and says how much waits in the spool',
      async (durability) => {
        sink.hold = NEVER;
        const logger = await harness.open({ durability });
        const { id } = logger.record(record());
        await waitFor('the write to begin', () => sink.writes.length === 1);
        await logger.close(20);
        expect(logger.stats()).toMatchObject({ spooled: 1, queued: 0 });
        expect(harness.warnings.at(-1)).toContain('the rest waits in the spool');
        sink.hold = undefined;
        await (await harness.open()).flush();
        expect(ids()).toEqual([id]);
      },
    );

    it('a flush that the close cuts short is told so', async () => {
      sink.down = true;
      const logger = await harness.open();
      logger.record(record());
      const flushed = logger.flush();
      const told = expect(flushed).rejects.toEqual(code('audit_not_durable'));
      await logger.close(10);
      await told;
    });

    it('close fails loudly when neither the sink nor the spool takes what was accepted', async () => {
      const files = new FaultyFiles();
      sink.down = true;
      const logger = await harness.open({ files });
      files.refusal = 'EIO';
      await expect(logger.record(record()).durable).rejects.toEqual(code('audit_not_durable'));
      await expect(logger.close(10)).rejects.toEqual(code('audit_not_durable'));
      expect(logger.stats().dropped).toBe(1);
    });
  });

  describe('9. write-through', () => {
    it('durable resolves only once the sink has the event', async () => {
      let open: () => void = () => undefined;
      sink.hold = new Promise((resolve) => (open = resolve));
      const logger = await harness.open({ async: false });
      let durable = false;
      const receipt = logger.record(record());
      const waiting = receipt.durable.then(() => (durable = true));
      await waitFor('the write to begin', () => sink.writes.length === 1);
      expect(durable).toBe(false);
      open();
      await waiting;
      expect(ids()).toEqual([receipt.id]);
    });
  });

  describe('10. numbers', () => {
    it('tells batch size, times and lag', async () => {
      const seen: number[] = [];
      const meter = { batch: (events: number) => void seen.push(events), fsync: () => undefined };
      const logger = await harness.open({ meter, batchSize: 4 });
      recordMany(logger, 10);
      await logger.flush();
      expect(seen.reduce((a, b) => a + b)).toBe(10);
      expect(logger.stats()).toMatchObject({ batch_size: seen.at(-1), lag_ms: 0, retries: 0 });
      expect(logger.stats().flush_ms).toBeGreaterThan(0);
    });
  });
});
