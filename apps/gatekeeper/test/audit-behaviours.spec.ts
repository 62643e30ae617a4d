import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { AuditLogger, PostgresSink, SpoolHeldError, type AuditLoggerOptions } from '#audit';
import { type AuditRecord } from '#contracts';
import { createPool } from '#database';
import { startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { loadConfig } from '../src/config.js';

const record = (overrides: Partial<AuditRecord> = {}): AuditRecord => ({
  ghost_id: 'Scout',
  action: 'behaviour',
  resource: 'shells/l1/echo',
  result: 'ALLOWED',
  ...overrides,
});
const code = (name: string) => expect.objectContaining({ code: name });

/** What an audit queue in front of a database has to do, whoever builds it, against the real table. */
describe('the audit queue', () => {
  let service: TestService;
  let defaults: AuditLoggerOptions;
  let spoolDir: string;
  const loggers: AuditLogger[] = [];
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    const { name, audit } = loadConfig(service.environment).service;
    const log = { info: () => undefined, warn: () => undefined };
    defaults = { ...audit, service: name, log, sink: undefined as never };
  });
  afterAll(() => service.close());
  beforeEach(async () => {
    spoolDir = await mkdtemp(join(tmpdir(), 'gravitas-behaviour-'));
  });
  afterEach(async () => {
    await Promise.all(loggers.splice(0).map((logger) => logger.close(20_000)));
    await rm(spoolDir, { recursive: true, maxRetries: 8 });
  });

  async function open(options: Partial<AuditLoggerOptions> = {}): Promise<AuditLogger> {
    const pool = createPool(service.database.runtimeUrl, 'behaviours', 2, () => undefined);
    const logger = await AuditLogger.open({ ...defaults, sink: new PostgresSink(pool), spoolDir, ...options });
    loggers.push(logger);
    return logger;
  }
  const rows = (ids: readonly string[]) =>
    service.database.query<{ id: string; timestamp: Date; sequence: string }>(
      'SELECT id, timestamp, sequence FROM audit_log WHERE id = ANY($1) ORDER BY timestamp',
      [ids],
    );
  const count = async (ids: readonly string[]) => (await rows(ids)).length;
  const many = (logger: AuditLogger, n: number) => Array.from({ length: n }, () => logger.record(record()));

  it('records without blocking while the database is slow', async () => {
    const logger = await open();
    const unlock = await service.database.lockTable('audit_log');
    try {
      const receipts = many(logger, 100);
      await Promise.all(receipts.map(({ durable }) => durable));
      expect(logger.stats()).toMatchObject({ accepted: 100, persisted: 0, queued: 100 });
    } finally {
      await unlock();
    }
  });

  it('returns before the row is committed', async () => {
    const logger = await open();
    const writers = new pg.Client({ connectionString: service.database.superuserUrl });
    await writers.connect();
    try {
      // Holds up who writes, and not who reads.
      await writers.query('BEGIN; LOCK TABLE audit_log IN SHARE MODE');
      const { id } = logger.record(record());
      expect(await count([id])).toBe(0);
      await writers.query('COMMIT');
      await waitFor('the row', async () => (await count([id])) === 1);
    } finally {
      await writers.end();
    }
  });

  it('gives the real id at once: it is the one of the row', async () => {
    const logger = await open();
    const { id, sequence } = logger.record(record());
    await logger.flush();
    expect(await rows([id])).toEqual([expect.objectContaining({ id, sequence: String(sequence) })]);
  });

  it('flush persists everything', async () => {
    const logger = await open();
    const receipts = many(logger, 300);
    await logger.flush();
    expect(await count(receipts.map(({ id }) => id))).toBe(300);
    expect(logger.stats()).toMatchObject({ persisted: 300, queued: 0 });
  });

  it('what is recorded after a flush is written too', async () => {
    const logger = await open();
    await logger.flush();
    const { id } = logger.record(record());
    await waitFor('the row', async () => (await count([id])) === 1);
  });

  it('flushing twice, and twice at once, is the same as once', async () => {
    const logger = await open();
    const { id } = logger.record(record());
    await Promise.all([logger.flush(), logger.flush()]);
    await logger.flush();
    expect(await count([id])).toBe(1);
  });

  it('close flushes', async () => {
    const logger = await open();
    const receipts = many(logger, 50);
    await logger.close();
    expect(await count(receipts.map(({ id }) => id))).toBe(50);
  });

  it('closing twice, and twice at once, is the same as once', async () => {
    const logger = await open();
    const { id } = logger.record(record());
    await Promise.all([logger.close(), logger.close()]);
    await logger.close();
    expect(await count([id])).toBe(1);
  });

  it('closes what was never used', async () => {
    await (await open()).close();
  });

  it('is closed at the end of the block that uses it', async () => {
    let id: string;
    {
      await using logger = await open();
      id = logger.record(record()).id;
    }
    expect(await count([id])).toBe(1);
  });

  it('stamps the time of the call, however late the writer is', async () => {
    const logger = await open();
    const unlock = await service.database.lockTable('audit_log');
    const before = Date.now();
    const { id, timestamp } = logger.record(record());
    const after = Date.now();
    await waitFor('some time to pass', () => Date.now() > after + 20).finally(unlock);
    await logger.flush();
    const [row] = await rows([id]);
    expect(row!.timestamp.getTime()).toBeGreaterThanOrEqual(before);
    expect(row!.timestamp.getTime()).toBeLessThanOrEqual(after);
    expect(row!.timestamp.getTime()).toBe(Date.parse(timestamp));
  });

  it('keeps the order of 1,000', async () => {
    const logger = await open({ batchSize: 100 });
    const receipts = many(logger, 1000);
    await logger.flush();
    const stored = await rows(receipts.map(({ id }) => id));
    expect(stored.map(({ id }) => id)).toEqual(receipts.map(({ id }) => id));
    expect(stored.map(({ sequence }) => Number(sequence))).toEqual(receipts.map(({ sequence }) => sequence));
  });

  it('written through, gives the committed row', async () => {
    const logger = await open({ async: false });
    const { id, durable } = logger.record(record());
    await durable;
    expect(await count([id])).toBe(1);
  });

  it('written through, many at once wait for their own rows only', async () => {
    const logger = await open({ async: false });
    const receipts = await Promise.all(
      many(logger, 40).map(async ({ id, durable }) => {
        await durable;
        return count([id]);
      }),
    );
    expect(receipts).toEqual(Array<number>(40).fill(1));
  });

  it('is asynchronous and holds 10,000 by default, and the environment says otherwise', () => {
    const audit = (environment: Record<string, string>) =>
      loadConfig({ ...service.environment, ...environment }).service.audit;
    expect(audit({})).toMatchObject({
      async: true,
      maxEvents: 10_000,
      maxBytes: 64 * 1024 ** 2,
      durability: 'process',
    });
    expect(
      audit({ AUDIT_ASYNC: 'false', AUDIT_QUEUE_MAXSIZE: '7', AUDIT_QUEUE_MAXBYTES: '4096', AUDIT_DURABILITY: 'disk' }),
    ).toMatchObject({ async: false, maxEvents: 7, maxBytes: 4096, durability: 'disk' });
  });

  it('refuses when it is full', async () => {
    const logger = await open({ durability: 'memory', maxEvents: 5 });
    const unlock = await service.database.lockTable('audit_log');
    try {
      many(logger, 5);
      expect(() => logger.record(record())).toThrow(code('audit_queue_full'));
      expect(logger.stats()).toMatchObject({ accepted: 5, refused: 1, dropped: 0 });
    } finally {
      await unlock();
    }
  });

  it('lets a producer wait for room when it is full', async () => {
    const logger = await open({ durability: 'memory', maxEvents: 5 });
    const unlock = await service.database.lockTable('audit_log');
    let waiting: Promise<boolean>;
    try {
      many(logger, 5);
      expect(() => logger.record(record())).toThrow(code('audit_queue_full'));
      waiting = logger.room(20_000);
    } finally {
      await unlock();
    }
    expect(await waiting).toBe(true);
    logger.record(record());
  });

  it('goes on after a write that fails', async () => {
    const logger = await open();
    await service.database.query('ALTER TABLE audit_log RENAME TO elsewhere');
    const { id } = logger.record(record());
    await waitFor('a failed write', () => logger.stats().retries > 0).finally(() =>
      service.database.query('ALTER TABLE elsewhere RENAME TO audit_log'),
    );
    await logger.flush();
    expect(await count([id])).toBe(1);
  });

  it('goes on after its connections were cut', async () => {
    const logger = await open();
    many(logger, 10);
    await logger.flush();
    await service.database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'behaviours'`,
    );
    const { id } = logger.record(record());
    await logger.flush();
    expect(await count([id])).toBe(1);
  });

  it('record after close throws', async () => {
    const logger = await open();
    await logger.close();
    expect(() => logger.record(record())).toThrow(code('audit_closed'));
  });

  it('an invalid result fails fast, and nothing is enqueued', async () => {
    const logger = await open();
    expect(() => logger.record(record({ result: 'PERHAPS' as never }))).toThrow(code('audit_invalid'));
    expect(() => logger.record({} as never)).toThrow(/action.*resource.*result/s);
    expect(logger.stats()).toMatchObject({ accepted: 0, queued: 0 });
  });

  it('an event of a month that the trail does not hold waits in quarantine, and the rest is written', async () => {
    const clock = { times: ['2001-01-01T00:00:00.000Z'], next: () => clock.times.pop() ?? new Date().toISOString() };
    const logger = await open({ clock: clock as never });
    const [stray, kept] = many(logger, 2);
    await logger.flush();
    expect(logger.stats()).toMatchObject({ persisted: 2, dead_lettered: 0, queued: 0 });
    expect(await count([stray!.id, kept!.id])).toBe(1);
    expect(await service.database.query('SELECT 1 FROM audit_quarantine WHERE id = $1', [stray!.id])).toHaveLength(1);
  });

  it('is closed by the end of the service, which flushes it', async () => {
    const second = await startService('gatekeeper', gatekeeper, {
      database: service.database,
      environment: { GRAVITAS_HOME: spoolDir, SHUTDOWN_TIMEOUT_MS: '20000' },
    });
    const { id } = second.app.get(AuditLogger).record(record());
    await second.stop();
    expect(await count([id])).toBe(1);
  });

  it('with the database gone at the end, closes by the deadline, and the next start writes what was left', async () => {
    const unlock = await service.database.lockTable('audit_log');
    const first = await open();
    const receipts = many(first, 20);
    try {
      await Promise.all(receipts.map(({ durable }) => durable));
      await first.close(100);
      expect(first.stats()).toMatchObject({ persisted: 0, spooled: 20 });
    } finally {
      await unlock();
    }
    // The spool is free once its files are closed, which close() does not wait for longer than half a second.
    const second = await waitFor('the spool', () =>
      open().catch((error: unknown) => {
        if (error instanceof SpoolHeldError) return undefined;
        throw error;
      }),
    );
    await second.flush();
    expect(await count(receipts.map(({ id }) => id))).toBe(20);
  });
});
