import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type AuditEvent, type AuditRecord } from '#contracts';
import { waitFor } from '#testing';
import { AuditLogger, type AuditLoggerOptions } from './audit-logger.js';
import { EventClock } from './event-clock.js';
import { AuditError, SinkRejectedError } from './errors.js';
import { type AuditSink, type SinkResult } from './sink.js';
import { FileSpool } from './spool.js';

/** A sink that can be made to fail, to hold, and to find events unacceptable. */
class FaultySink implements AuditSink {
  readonly events: AuditEvent[] = [];
  down = false;
  closed = 0;
  poison: (event: AuditEvent) => boolean = () => false;
  hold: Promise<void> | undefined;

  async write(events: readonly AuditEvent[]): Promise<SinkResult> {
    await this.hold;
    if (this.down) throw new Error('the sink is down');
    if (events.some(this.poison)) throw new SinkRejectedError('poison');
    this.events.push(...events);
    return { accepted: events.length, duplicates: 0 };
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

const record = (overrides: Partial<AuditRecord> = {}): AuditRecord => ({
  action: 'execute',
  resource: 'shells/l1/echo',
  result: 'ALLOWED',
  ...overrides,
});

describe('AuditLogger', () => {
  let directory: string;
  let sink: FaultySink;
  let warnings: string[];
  const loggers: AuditLogger[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-audit-'));
    sink = new FaultySink();
    warnings = [];
  });
  afterEach(async () => {
    sink.hold = undefined;
    await Promise.all(loggers.splice(0).map((logger) => logger.close(0)));
    await rm(directory, { recursive: true });
  });

  function create(options: Partial<AuditLoggerOptions> = {}): AuditLogger {
    const log = { warn: (_details: object, message: string) => warnings.push(message), info: () => undefined };
    const logger = new AuditLogger({
      service: 'test',
      sink,
      spool: new FileSpool(directory, log),
      async: true,
      maxEvents: 10_000,
      maxBytes: 64 * 1024 * 1024,
      batchSize: 100,
      flushIntervalMs: 5,
      log,
      ...options,
    });
    loggers.push(logger);
    return logger;
  }

  const adds = (logger: AuditLogger) => {
    const { accepted, persisted, queued, spooled, dead_lettered, dropped } = logger.stats();
    expect(accepted).toBe(persisted + queued + spooled + dead_lettered);
    expect(dropped).toBe(0);
  };

  it('stamps id, time of the call, service and sequence', async () => {
    const logger = create({ clock: new EventClock(() => Date.parse('2026-11-20T10:00:00.123Z')) });
    const first = logger.record(record());
    const second = logger.record(record());
    expect(first).toMatchObject({ timestamp: '2026-11-20T10:00:00.123Z', sequence: 1 });
    expect(second).toMatchObject({ timestamp: '2026-11-20T10:00:00.123001Z', sequence: 2 });
    expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    await logger.flush();
    expect(sink.events[0]).toMatchObject({
      id: first.id,
      service: 'test',
      tenant_id: 'default',
      timestamp: first.timestamp,
    });
  });

  it('returns before the sink has anything', () => {
    sink.hold = new Promise(() => undefined);
    const logger = create();
    logger.record(record());
    expect(sink.events).toHaveLength(0);
    expect(logger.stats()).toMatchObject({ accepted: 1, queued: 1, persisted: 0 });
  });

  it('keeps the order of 1000 records over many batches', async () => {
    const logger = create({ batchSize: 7 });
    const ids = Array.from({ length: 1000 }, () => logger.record(record()).id);
    await logger.flush();
    expect(sink.events.map(({ id }) => id)).toEqual(ids);
    adds(logger);
  });

  it.each([
    ['an unknown result', record({ result: 'MAYBE' as never })],
    ['a missing resource', { action: 'a', result: 'ALLOWED' } as never],
    ['metadata that PostgreSQL cannot hold', record({ metadata: { x: '\ud800' } })],
  ])('refuses %s at once and enqueues nothing', (_name, bad) => {
    const logger = create();
    expect(() => logger.record(bad)).toThrow(expect.objectContaining({ code: 'audit_invalid' }));
    expect(logger.stats()).toMatchObject({ accepted: 0, queued: 0 });
  });

  it.each([
    ['events', { maxEvents: 3 }, {}],
    ['bytes', { maxBytes: 4000 }, { metadata: { x: 'y'.repeat(400) } }],
  ])(
    'refuses what is beyond its bound in %s, counts it, and takes more once there is room',
    async (_name, options, extra) => {
      sink.down = true;
      const logger = create(options);
      for (let i = 0; i < 3; i++) logger.record(record(extra));
      expect(() => logger.record(record(extra))).toThrow(expect.objectContaining({ code: 'audit_queue_full' }));
      expect(logger.stats()).toMatchObject({ accepted: 3, refused: 1, queued: 3 });
      sink.down = false;
      await logger.flush();
      logger.record(record(extra));
      await logger.flush();
      expect(sink.events).toHaveLength(4);
      adds(logger);
    },
  );

  it('tries a failing sink again until it works, warning once', async () => {
    sink.down = true;
    const logger = create();
    const { id } = logger.record(record());
    await waitFor('the retries', () => logger.stats().retries >= 5);
    sink.down = false;
    await logger.flush();
    expect(sink.events.map((event) => event.id)).toEqual([id]);
    expect(warnings).toHaveLength(1);
  });

  it('sets a poison event aside with its reason, and writes the rest in order', async () => {
    sink.poison = (event) => event.action === 'poison';
    const logger = create();
    for (let i = 0; i < 20; i++) logger.record(record({ action: i === 7 || i === 13 ? 'poison' : `a${i}` }));
    await logger.flush();
    const rest = Array.from({ length: 20 }, (_, i) => `a${i}`).filter((action) => !['a7', 'a13'].includes(action));
    expect(sink.events.map(({ action }) => action)).toEqual(rest);
    expect(logger.stats()).toMatchObject({ persisted: 18, dead_lettered: 2 });
    adds(logger);
    const letters = (await readFile(join(directory, 'dead-letters.ndjson'), 'utf8')).trim().split('\n');
    expect(letters.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ action: 'poison', dead_letter_reason: 'poison' }),
      expect.objectContaining({ action: 'poison', dead_letter_reason: 'poison' }),
    ]);
  });

  it('keeps trying to keep a dead letter while the disk refuses it', async () => {
    sink.poison = (event) => event.action === 'poison';
    const log = { warn: (_details: object, message: string) => warnings.push(message), info: () => undefined };
    const spool = new FileSpool(directory, log);
    let refusals = 2;
    const setAside = spool.setAside.bind(spool);
    spool.setAside = async (...letter) => {
      if (refusals-- > 0) throw new Error('ENOSPC');
      await setAside(...letter);
    };
    const logger = create({ spool });
    logger.record(record({ action: 'poison' }));
    logger.record(record({ action: 'good' }));
    await logger.flush();
    expect(sink.events.map(({ action }) => action)).toEqual(['good']);
    expect(logger.stats()).toMatchObject({ persisted: 1, dead_lettered: 1, queued: 0 });
    adds(logger);
  });

  it('with async off, is durable only once the sink has the event', async () => {
    let open: () => void = () => undefined;
    sink.hold = new Promise((resolve) => (open = resolve));
    const logger = create({ async: false });
    let durable = false;
    const receipt = logger.record(record());
    const waiting = receipt.durable.then(() => (durable = true));
    await new Promise(setImmediate);
    expect(durable).toBe(false);
    open();
    await waiting;
    expect(sink.events.map(({ id }) => id)).toEqual([receipt.id]);
  });

  it('flush leaves it open, and resolves when nothing waits', async () => {
    const logger = create();
    await logger.flush();
    logger.record(record());
    await logger.flush();
    await logger.flush();
    logger.record(record());
    await logger.flush();
    expect(sink.events).toHaveLength(2);
  });

  it('close flushes, frees the sink once however often it is called, and refuses what comes after', async () => {
    const logger = create();
    logger.record(record());
    await Promise.all([logger.close(), logger.close()]);
    await logger.close();
    expect(sink.events).toHaveLength(1);
    expect(sink.closed).toBe(1);
    expect(() => logger.record(record())).toThrow(AuditError);
    expect(() => logger.record(record())).toThrow(expect.objectContaining({ code: 'audit_closed' }));
  });

  it('leaves in the spool what the sink does not take before the deadline; the next one writes it first', async () => {
    sink.down = true;
    const first = create();
    const ids = Array.from({ length: 30 }, () => first.record(record()).id);
    await first.close(50);
    expect(first.stats()).toMatchObject({ accepted: 30, spooled: 30, queued: 0, persisted: 0 });
    adds(first);

    sink.down = false;
    const second = create({ batchSize: 8 });
    await second.open();
    const later = second.record(record()).id;
    adds(second);
    await second.flush();
    expect(sink.events.map(({ id }) => id)).toEqual([...ids, later]);
    expect(second.stats()).toMatchObject({ accepted: 31, persisted: 31, spooled: 0 });

    const third = create();
    await third.open();
    expect(third.stats().accepted).toBe(0);
  });

  it('closes by its deadline even while a write hangs, and spools what that write had in hand', async () => {
    sink.hold = new Promise(() => undefined);
    const logger = create();
    logger.record(record());
    await waitFor('the write to begin', () => logger.stats().queued === 1);
    await logger.close(20);
    expect(logger.stats()).toMatchObject({ spooled: 1, queued: 0 });
    expect(await readFile(join(directory, 'pending.ndjson'), 'utf8')).toContain('shells/l1/echo');
  });

  it('keeps the spool through a second run that cannot write it either', async () => {
    sink.down = true;
    for (let run = 0; run < 3; run++) {
      const logger = create();
      await logger.open();
      logger.record(record({ action: `run${run}` }));
      await logger.close(20);
      adds(logger);
    }
    sink.down = false;
    const last = create();
    await last.open();
    await last.flush();
    expect(sink.events.map(({ action }) => action)).toEqual(['run0', 'run1', 'run2']);
  });

  it('keeps a torn line of the spool aside and reads the rest', async () => {
    sink.down = true;
    const first = create();
    first.record(record({ action: 'whole' }));
    await first.close(0);
    const file = join(directory, 'pending.ndjson');
    await writeFile(file, `${await readFile(file, 'utf8')}{"id":"torn`);
    sink.down = false;
    const second = create();
    await second.open();
    await second.flush();
    expect(sink.events.map(({ action }) => action)).toEqual(['whole']);
    expect(await readFile(join(directory, 'damaged.ndjson'), 'utf8')).toContain('torn');
  });
});
