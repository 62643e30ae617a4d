import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PostgresSink, SinkRejectedError } from '#audit';
import { auditEvent, type AuditEvent } from '#contracts';
import { createPool } from '#database';
import { startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

const batch = (size: number, difference: Partial<AuditEvent> = {}): AuditEvent[] =>
  Array.from({ length: size }, (_, number) =>
    auditEvent.parse({
      id: randomUUID(),
      timestamp: new Date().toISOString(),
      service: 'test',
      action: 'test',
      resource: 'sink',
      result: 'SUCCEEDED',
      producer: null,
      sequence: number + 1,
      ...difference,
    }),
  );

describe('PostgresSink', () => {
  let service: TestService;
  let sink: PostgresSink;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
  });
  afterAll(() => service.close());
  beforeEach(() => {
    sink = new PostgresSink(createPool(service.database.runtimeUrl, 'sink-spec', 2, () => undefined));
  });
  afterEach(() => sink.close());

  const stored = async (events: readonly AuditEvent[]) => {
    const rows = await service.database.query('SELECT id FROM audit_log WHERE id = ANY($1)', [
      events.map(({ id }) => id),
    ]);
    return rows.length;
  };
  const backends = () =>
    service.database.query<{ pid: number; waiting: boolean }>(
      `SELECT pid, wait_event_type = 'Lock' AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sink-spec'`,
    );

  it('takes as many batches at a time as it has connections, and works on them side by side', async () => {
    expect(sink.concurrency).toBe(2);
    const release = await service.database.lockTable('audit_log');
    const batches = [batch(100), batch(100)];
    const writes = Promise.all(batches.map((events) => sink.write(events)));
    await waitFor('both to wait', async () => (await backends()).filter(({ waiting }) => waiting).length === 2);
    await release();
    expect(await writes).toEqual([
      { accepted: 100, duplicates: 0 },
      { accepted: 100, duplicates: 0 },
    ]);
    expect(await stored(batches.flat())).toBe(200);
  });

  it('adds nothing twice when a batch comes again after an unknown outcome', async () => {
    const events = batch(500);
    const release = await service.database.lockTable('audit_log');
    const first = sink.write(events).catch((error: unknown) => error);
    const [backend] = await waitFor('the first try to wait', async () => {
      const waiting = (await backends()).filter((found) => found.waiting);
      return waiting.length === 1 && waiting;
    });
    await service.database.query('SELECT pg_terminate_backend($1)', [backend!.pid]);
    expect(await first).toMatchObject({ code: '57P01' });
    await release();
    expect(await sink.write(events)).toEqual({ accepted: 500, duplicates: 0 });
    expect(await sink.write(events)).toEqual({ accepted: 0, duplicates: 500 });
    expect(await stored(events)).toBe(500);
  });

  it('adds nothing twice when the first try of a batch is still at work during the second', async () => {
    const events = batch(5000);
    const results = await Promise.all([sink.write(events), sink.write(events)]);
    expect(results.map(({ accepted }) => accepted).sort((a, b) => a - b)).toEqual([0, 5000]);
    expect(await stored(events)).toBe(5000);
  });

  it('rejects a batch for good when an event in it can never be stored, and stores none of it', async () => {
    const events = [...batch(3000), ...batch(1, { timestamp: '1999-12-31T23:59:59Z' }), ...batch(3000)];
    await expect(sink.write(events)).rejects.toThrow(SinkRejectedError);
    expect(await stored(events)).toBe(0);
    expect(await sink.write(events.slice(0, 3000))).toEqual({ accepted: 3000, duplicates: 0 });
  });
});
