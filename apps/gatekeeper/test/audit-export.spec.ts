import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PostgresSink } from '#audit';
import { auditEvent, auditTimeline } from '#contracts';
import { createPool } from '#database';
import { agentToken, startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { AuditExport } from '../src/audit/audit-export.js';
import { event } from './support/events.js';

const ROWS = 200_000;
const INSERTED_AT_ONCE = 20_000;
const MIB = 1024 * 1024;

describe('exporting the trail', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    const sink = new PostgresSink(createPool(service.database.runtimeUrl, 'export-spec', 1, () => undefined));
    await sink.write([
      event({ ghost_id: 'One', reason: '=1+1' }),
      event({ ghost_id: 'One', result: 'DENIED' }),
      event({ ghost_id: 'One', tenant_id: 'acme' }),
    ]);
    await sink.close();
    for (let to = INSERTED_AT_ONCE; to <= ROWS; to += INSERTED_AT_ONCE)
      await service.database.query(
        `INSERT INTO audit_log (id, tenant_id, timestamp, service, ghost_id, action, resource, result, reason, entities, metadata)
         SELECT gen_random_uuid(), 'big', now() - n * interval '1 ms', 's', 'Many', 'a', 'r', 'ALLOWED', repeat('x', 200), '[]', '{}'
         FROM generate_series($1::int, $2::int) n`,
        [to - INSERTED_AT_ONCE + 1, to],
      );
  }, 180_000);
  afterAll(() => service.close());

  async function open(query: string, options: { ghost?: string; tenant?: string } = {}): Promise<IncomingMessage> {
    const { ghost = 'Supervisor', tenant } = options;
    const authorization = `Bearer ${await agentToken(ghost, tenant === undefined ? {} : { tenant })}`;
    return new Promise((resolve, reject) => {
      // With a listener the error is kept for whoever reads it later.
      const take = (answer: IncomingMessage) => resolve(answer.on('error', () => undefined));
      request(`${service.url}/v1/audit/${query}`, { headers: { authorization } }, take).on('error', reject).end();
    });
  }
  async function textOf(answer: IncomingMessage): Promise<string> {
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk as string;
    return text;
  }
  const cursors = () =>
    service.database.query<{ pid: number; waits: boolean }>(
      `SELECT pid, state LIKE 'idle%' AND state_change < clock_timestamp() - interval '300 ms' AS waits FROM pg_stat_activity
       WHERE datname = current_database() AND xact_start IS NOT NULL AND application_name = 'gravitas-gatekeeper-export'`,
    );
  /** A reader has the end of an export before its cursor is closed. */
  const idle = () => waitFor('the exports to be given back', () => service.app.get(AuditExport).active === 0);

  it('gives what matches, of one tenant, as NDJSON or CSV', async () => {
    const ndjson = await open('export?ghost_id=One');
    expect(ndjson.headers['content-type']).toContain('application/x-ndjson');
    const events = (await textOf(ndjson))
      .trimEnd()
      .split('\n')
      .map((line) => auditEvent.parse(JSON.parse(line)));
    expect(events.map(({ tenant_id, result }) => [tenant_id, result]).sort()).toEqual([
      ['default', 'DENIED'],
      ['default', 'SUCCEEDED'],
    ]);
    await idle();
    const csv = await open('export?ghost_id=One&result=SUCCEEDED&format=csv');
    expect(csv.headers['content-type']).toContain('text/csv');
    expect(csv.headers['content-disposition']).toBe('attachment; filename="audit.csv"');
    const lines = (await textOf(csv)).split('\r\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain(",'=1+1,");
    await idle();
    expect(await textOf(await open('export?q=nothing-of-the-kind'))).toBe('');
  });

  it('has what was recorded a moment ago, and wants the right to read', async () => {
    const denied = await open('export', { ghost: 'Scout' });
    expect(denied.statusCode).toBe(403);
    expect(JSON.parse(await textOf(denied))).toMatchObject({ ghost_id: 'Scout' });
    const recorded = await waitFor('the denial', async () => {
      await idle();
      const since = Date.now();
      const text = await textOf(await open('export?ghost_id=Scout&result=DENIED'));
      // An export waits a second for what is on its way into the trail.
      if (text === '') expect(Date.now() - since).toBeGreaterThan(900);
      return text;
    });
    expect(recorded).toContain('audit/events');
    const bad = await open('export?format=xml');
    expect({ status: bad.statusCode, body: await textOf(bad) }).toMatchObject({
      status: 400,
      body: expect.stringContaining('format'),
    });
  });

  it(`streams ${ROWS} rows in memory that does not grow with them`, async () => {
    // What is alive, and not what the collector has not got to yet: this process is server and client at once.
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const alive: number[] = [];
    let rows = 0;
    for await (const line of createInterface({ input: await open('export?action=a', { tenant: 'big' }) })) {
      rows += line.length > 0 ? 1 : 0;
      if (rows % 45_000 !== 0) continue;
      collect();
      const { heapUsed, external } = process.memoryUsage();
      alive.push(heapUsed + external);
    }
    await idle();
    expect(rows).toBe(ROWS);
    expect(alive).toHaveLength(4);
    // Between the first and the last of them 50 MiB have gone by as text, and several times that as rows.
    expect((Math.max(...alive.slice(1)) - alive[0]!) / MIB).toBeLessThan(25);
  }, 120_000);

  it('waits for a slow reader, and ends cleanly when the reader goes away', async () => {
    const answer = await open('export', { tenant: 'big' });
    try {
      answer.pause();
      await waitFor('the cursor to wait', async () => (await cursors()).some(({ waits }) => waits));
      expect(await cursors()).toHaveLength(1);
    } finally {
      answer.destroy();
    }
    await waitFor('the cursor to be closed', async () => (await cursors()).length === 0);
    await idle();
  });

  it('runs two at a time, and says so to a third', async () => {
    const first = await open('export', { tenant: 'big' });
    const second = await open('export', { tenant: 'big' });
    try {
      const third = await open('export', { tenant: 'big' });
      expect(third.statusCode).toBe(503);
      expect(JSON.parse(await textOf(third))).toMatchObject({ code: 'too_many_exports' });
    } finally {
      first.destroy();
      second.destroy();
    }
    await idle();
    const fourth = await open('export?ghost_id=One');
    expect(fourth.statusCode).toBe(200);
    await textOf(fourth);
    await idle();
  });

  it('is visibly cut when the database fails in the middle', async () => {
    const answer = await open('export', { tenant: 'big' });
    answer.pause();
    const [cursor] = await waitFor('the cursor', async () => {
      const found = await cursors();
      return found.length === 1 && found;
    });
    await service.database.query('SELECT pg_terminate_backend($1)', [cursor!.pid]);
    await expect(textOf(answer)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await idle();
  });

  it('counts by the hour over HTTP', async () => {
    const answer = await open('stats/timeline');
    const timeline = auditTimeline.parse(JSON.parse(await textOf(answer)));
    expect(timeline.hours.some(({ results }) => results.DENIED > 0)).toBe(true);
    const bad = await open('stats/timeline?from=2026-01-01T00:00:00Z&to=2026-06-01T00:00:00Z');
    expect(bad.statusCode).toBe(400);
    await textOf(bad);
  });
});
