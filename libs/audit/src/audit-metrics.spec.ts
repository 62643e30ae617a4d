import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type FailMode } from '#config';
import { HealthDetails } from '#health';
import { Metrics } from '#metrics';
import { waitFor } from '#testing';
import { meterFor, publishCounts, publishHealth } from './audit-metrics.js';
import { AuditTrail } from './audit-trail.js';
import { AuditLogger } from './core/index.js';
import { FailModes } from './fail-modes.js';

const RECORD = { action: 'a', resource: 'r', result: 'ALLOWED' } as const;

describe('what the audit trail publishes', () => {
  let directory: string;
  let metrics: Metrics;
  let logger: AuditLogger;
  let down: boolean;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-audit-'));
    metrics = new Metrics();
    down = false;
  });
  afterEach(async () => {
    await logger.close(0).catch(() => undefined);
    await rm(directory, { recursive: true });
  });

  async function open(
    durability: 'disk' | 'memory',
    mode: FailMode,
  ): Promise<{ trail: AuditTrail; health: HealthDetails }> {
    const write = async ({ length }: { length: number }) => {
      if (down) throw new Error('the sink is down');
      return { accepted: length, duplicates: 0 };
    };
    logger = await AuditLogger.open({
      service: 'test',
      sink: { write, close: async () => undefined },
      spoolDir: directory,
      durability,
      async: true,
      maxEvents: 2,
      maxBytes: 1_000_000,
      maxSpoolBytes: 1_000_000_000,
      batchSize: 10,
      flushIntervalMs: 1,
      log: { warn: () => undefined, info: () => undefined },
      meter: meterFor(metrics),
    });
    const failModes = new FailModes(mode);
    const trail = new AuditTrail(logger, { failModes, fullWaitMs: 0, durableTimeoutMs: 20_000 });
    const health = new HealthDetails();
    publishCounts(logger, trail, metrics);
    publishHealth(logger, failModes, health);
    return { trail, health };
  }
  const values = async () => {
    const lines = (await metrics.registry.metrics()).matchAll(/^gravitas_audit_(\w+) (\S+)$/gm);
    return Object.fromEntries([...lines].map(([, name, value]) => [name!, Number(value)]));
  };

  it('is what the logger counts, and how long the sink and the disk take', async () => {
    const { trail } = await open('disk', 'closed');
    await Promise.all([trail.record(RECORD), trail.record(RECORD)]);
    await logger.flush();
    const { fsync_seconds_count, ...rest } = await values();
    expect(fsync_seconds_count).toBeGreaterThanOrEqual(1);
    expect(rest).toMatchObject({
      accepted_total: 2,
      persisted_total: 2,
      dead_lettered_total: 0,
      damaged_total: 0,
      refused_total: 0,
      retries_total: 0,
      unrecorded_total: 0,
      queued: 0,
      spooled: 0,
      dropped: 0,
      lag_seconds: 0,
      batch_events_sum: 2,
    });
    expect(rest['flush_seconds_count']).toBe(rest['batch_events_count']);
  });

  it.each([
    ['closed', false],
    ['open', true],
  ] as const)('in fail mode %s, is healthy while records are refused: %p', async (mode, healthy) => {
    down = true;
    const { trail, health } = await open('memory', mode);
    expect(health.read()).toMatchObject({ healthy: true, details: { audit: { refusing: null } } });
    for (let i = 0; i < 3; i++) await trail.record(RECORD).catch(() => undefined);
    const refusing = expect.stringMatching(/^the audit queue is full/);
    expect(health.read()).toMatchObject({ healthy, details: { audit: { refusing, queued: 2, refused: 1 } } });
    await waitFor('the lag to show', async () => (await values())['lag_seconds']! > 0);
    expect(await values()).toMatchObject({ refused_total: 1, unrecorded_total: mode === 'open' ? 1 : 0, queued: 2 });
    down = false;
    await logger.flush();
    expect(health.read()).toMatchObject({ healthy: true, details: { audit: { refusing: null } } });
  });

  it('does not tell everybody where the spool is, when its disk refuses', async () => {
    await open('memory', 'closed');
    const reason = `EACCES: permission denied, open '${directory}/0000000000000001.segment'`;
    const health = new HealthDetails();
    publishHealth({ refusing: reason, stats: () => logger.stats() } as AuditLogger, new FailModes('closed'), health);
    expect(health.read()).toMatchObject({
      healthy: false,
      details: { audit: { refusing: 'EACCES: permission denied' } },
    });
  });
});
