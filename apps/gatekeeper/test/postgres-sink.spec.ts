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
    const both = async () => (await backends()).filter(({ waiting }) => waiting).length === 2;
    await waitFor('both to wait', both).finally(release);
    expect(await writes).toEqual([
      { accepted: 100, duplicates: 0 },
      { accepted: 100, duplicates: 0 },
    ]);
    expect(await stored(batches.flat())).toBe(200);
  });

  it('adds nothing twice when a batch comes again after an unknown outcome', async () => {
    const events = batch(500);
    const release = await service.database.lockTable('audit_log');
    try {
      const first = sink.write(events).catch((error: unknown) => error);
      const [backend] = await waitFor('the first try to wait', async () => {
        const waiting = (await backends()).filter((found) => found.waiting);
        return waiting.length === 1 && waiting;
      });
      await service.database.query('SELECT pg_terminate_backend($1)', [backend!.pid]);
      expect(await first).toMatchObject({ code: '57P01' });
    } finally {
      await release();
    }
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
    const events = [...batch(3000), { ...batch(1)[0]!, result: 'MAYBE' as never }, ...batch(3000)];
    await expect(sink.write(events)).rejects.toThrow(SinkRejectedError);
    expect(await stored(events)).toBe(0);
    expect(await sink.write(events.slice(0, 3000))).toEqual({ accepted: 3000, duplicates: 0 });
  });

  it('puts what is of no month of the trail into quarantine, and the rest into the trail, in one go', async () => {
    const put: number[] = [];
    const quarantining = new PostgresSink(
      createPool(service.database.runtimeUrl, 'sink-spec', 1, () => undefined),
      {
        onQuarantine: (events) => put.push(events),
      },
    );
    try {
      const strays = batch(3, { timestamp: '1999-12-31T23:59:59.1234567Z' });
      const events = [...batch(10), ...strays, ...batch(10)];
      expect(await quarantining.write(events)).toEqual({ accepted: 23, duplicates: 0 });
      expect(await quarantining.write(events)).toEqual({ accepted: 0, duplicates: 23 });
      expect(put).toEqual([3]);
      expect(await stored(events)).toBe(20);
      const held = await service.database.query<{ reason: string; at: string }>(
        `SELECT reason, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS at
         FROM audit_quarantine WHERE id = ANY($1)`,
        [strays.map(({ id }) => id)],
      );
      expect(held).toEqual(
        Array.from({ length: 3 }, () => ({
          reason: 'the trail has no month 1999-12',
          at: '1999-12-31 23:59:59.123456',
        })),
      );
    } finally {
      await quarantining.close();
    }
  });

  it('files each event under all that it is about, as the database itself would', async () => {
    const long = '語'.repeat(400);
    const events = [
      ...batch(1, { ghost_id: 'user:123', session_id: 's-1', shell_id: 'qwen3:8b', resource: 'order:7:x' }),
      ...batch(1, {
        ghost_id: 'Scout',
        entities: [
          { kind: 'ghost', id: 'Scout' },
          { kind: 'user', id: long },
        ],
      }),
      ...batch(1, { session_id: '', resource: 'shells/l1/qwen3:8b' }),
    ];
    await sink.write(events);
    const ids = events.map(({ id }) => id);
    const filed = await service.database.query<{ event_id: string; kind: string; id: string }>(
      'SELECT event_id, kind, id FROM event_entities WHERE event_id = ANY($1) ORDER BY 1, 2, 3',
      [ids],
    );
    const computed = await service.database.query(
      `SELECT a.id AS event_id, e.kind, e.id FROM audit_log a, audit_entities_of(ghost_id, session_id, shell_id, resource, entities) e
       WHERE a.id = ANY($1) ORDER BY 1, 2, 3`,
      [ids],
    );
    expect(filed).toEqual(computed);
    const kinds = (i: number) =>
      filed.filter(({ event_id }) => event_id === ids[i]).map(({ kind, id }) => `${kind}=${id}`);
    expect(kinds(0).sort()).toEqual(['ghost=user:123', 'order=7:x', 'session=s-1', 'shell=qwen3:8b', 'user=123']);
    expect(kinds(1).sort()).toEqual(['ghost=Scout', expect.stringMatching(/^user=sha256:[0-9a-f]{64}$/)]);
    expect(kinds(2)).toEqual([]);
  });
});
