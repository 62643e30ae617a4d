import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type FailMode } from '#config';
import { waitFor } from '#testing';
import { AuditTrail, type AuditTrailOptions } from './audit-trail.js';
import { AuditError, AuditLogger, type AuditSink, type AuditLoggerOptions } from './core/index.js';
import { FailModes } from './fail-modes.js';

const RECORD = { action: 'a', resource: 'r', result: 'ALLOWED' } as const;
const ID = /^[0-9a-f-]{36}$/;
const UNAVAILABLE = { kind: 'unavailable', code: 'audit_unavailable', retryAfter: 1 };

describe('AuditTrail', () => {
  let directory: string;
  let release: () => void;
  let sink: AuditSink;
  const loggers: AuditLogger[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-audit-'));
    const held = new Promise<void>((resolve) => (release = resolve));
    const write: AuditSink['write'] = async ({ length }) => {
      await held;
      return { accepted: length, duplicates: 0 };
    };
    sink = { write, close: async () => undefined };
  });
  afterEach(async () => {
    release();
    await Promise.all(loggers.splice(0).map((logger) => logger.close(0).catch(() => undefined)));
    await rm(directory, { recursive: true });
  });

  /** Takes one event, in memory, until the sink lets go; unless told otherwise. */
  async function open(options: Partial<AuditLoggerOptions> = {}): Promise<AuditLogger> {
    const logger = await AuditLogger.open({
      service: 'test',
      sink,
      spoolDir: directory,
      durability: 'memory',
      async: true,
      maxEvents: 1,
      maxBytes: 1_000_000,
      maxSpoolBytes: 1_000_000,
      batchSize: 10,
      flushIntervalMs: 1,
      log: { warn: () => undefined, info: () => undefined },
      ...options,
    });
    loggers.push(logger);
    return logger;
  }
  const trailOf = (logger: AuditLogger, mode: FailMode, options: Partial<AuditTrailOptions> = {}) =>
    new AuditTrail(logger, { failModes: new FailModes(mode), fullWaitMs: 0, ...options });

  it('gives the id of what it has recorded', async () => {
    const trail = trailOf(await open({ durability: 'process' }), 'closed');
    expect(await trail.record(RECORD)).toMatch(ID);
    expect(trail.unrecorded).toBe(0);
  });

  describe('when the queue is full', () => {
    it('refuses in fail mode closed', async () => {
      const trail = trailOf(await open(), 'closed');
      await trail.record(RECORD);
      await expect(trail.record(RECORD)).rejects.toMatchObject(UNAVAILABLE);
      expect(trail.unrecorded).toBe(0);
    });

    it('goes on without in fail mode open, and counts it', async () => {
      const trail = trailOf(await open(), 'open');
      await trail.record(RECORD);
      expect([await trail.record(RECORD), await trail.record(RECORD)]).toEqual([null, null]);
      expect(trail.unrecorded).toBe(2);
    });

    it('does what is configured for the action', async () => {
      const failModes = new FailModes('closed', [{ pattern: 'tools/*', mode: 'open' }]);
      const trail = trailOf(await open(), 'closed', { failModes });
      await trail.record(RECORD);
      expect(await trail.record({ ...RECORD, action: 'tools/search' })).toBeNull();
      await expect(trail.record({ ...RECORD, action: 'tools' })).rejects.toMatchObject(UNAVAILABLE);
      expect(trail.unrecorded).toBe(1);
    });

    it('waits for room where it is told to', async () => {
      const logger = await open();
      const trail = trailOf(logger, 'closed', { fullWaitMs: 20_000 });
      await trail.record(RECORD);
      const second = trail.record(RECORD);
      await waitFor('the refusal', () => logger.stats().refused === 1);
      release();
      expect(await second).toMatch(ID);
      expect(logger.stats().accepted).toBe(2);
    });

    it.each([
      ['closed', 0],
      ['open', 1],
    ] as const)('waits no longer than it is told to (fail mode %s)', async (mode, unrecorded) => {
      const trail = trailOf(await open(), mode, { fullWaitMs: 20 });
      await trail.record(RECORD);
      const second = trail.record(RECORD);
      if (mode === 'open') expect(await second).toBeNull();
      else await expect(second).rejects.toMatchObject(UNAVAILABLE);
      expect(trail.unrecorded).toBe(unrecorded);
    });
  });

  describe('when a record is taken, and does not become durable in time', () => {
    it.each(['closed', 'open'] as const)('has it all the same (fail mode %s)', async (mode) => {
      const logger = await open({ async: false });
      const trail = trailOf(logger, mode, { durableTimeoutMs: 20 });
      if (mode === 'open') expect(await trail.record(RECORD)).toMatch(ID);
      else await expect(trail.record(RECORD)).rejects.toMatchObject(UNAVAILABLE);
      expect([logger.stats().accepted, trail.unrecorded]).toEqual([1, 0]);
    });

    it.each(['closed', 'open'] as const)('nor when the logger says so itself (fail mode %s)', async (mode) => {
      const logger = await open({ async: false });
      const trail = trailOf(logger, mode);
      const outcome = trail.record(RECORD).catch((error: unknown) => error);
      await logger.close(0).catch(() => undefined);
      if (mode === 'open') expect(await outcome).toMatch(ID);
      else expect(await outcome).toMatchObject(UNAVAILABLE);
      expect(trail.unrecorded).toBe(0);
    });
  });

  it('treats a closed logger like a full one', async () => {
    const logger = await open();
    await logger.close(0);
    await expect(trailOf(logger, 'closed', { fullWaitMs: 20_000 }).record(RECORD)).rejects.toMatchObject(UNAVAILABLE);
    const trail = trailOf(logger, 'open');
    expect([await trail.record(RECORD), trail.unrecorded]).toEqual([null, 1]);
  });

  it.each(['closed', 'open'] as const)(
    'does not hide a record that is not well formed (fail mode %s)',
    async (mode) => {
      const trail = trailOf(await open(), mode);
      await expect(trail.record({ ...RECORD, action: '' })).rejects.toBeInstanceOf(AuditError);
      expect(trail.unrecorded).toBe(0);
    },
  );
});
