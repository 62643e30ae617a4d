import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { serviceToken, startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

interface Gap {
  service: string;
  producer: string;
  first_missing: string;
  last_missing: string;
}

/** The query that an operator is told to use. */
async function documentedQuery(): Promise<string> {
  const page = await readFile(new URL('../../../docs/gatekeeper/overview.md', import.meta.url), 'utf8');
  return /```sql\n([^]*?)```/.exec(page)![1]!;
}

describe('the numbers of audit events', () => {
  let service: TestService;
  let query: string;
  beforeAll(async () => {
    query = await documentedQuery();
    service = await startService('gatekeeper', gatekeeper);
  });
  afterAll(() => service.close());

  const ingest = async (from: 'router' | 'lobby', producer: string | null, sequences: (number | null)[]) => {
    const answer = await request(service.url)
      .post('/v1/audit/events')
      .set('authorization', `Bearer ${await serviceToken(from, 'gatekeeper')}`)
      .send({
        events: sequences.map((sequence) => ({
          id: randomUUID(),
          timestamp: new Date().toISOString(),
          service: from,
          action: 'test',
          resource: 'test',
          result: 'SUCCEEDED',
          producer,
          sequence,
        })),
      });
    expect(answer.status).toBe(200);
  };

  it('show which events of which producer are missing', async () => {
    const [whole, gapped, late] = [randomUUID(), randomUUID(), randomUUID()] as [string, string, string];
    await ingest('router', whole, [1, 2, 3]);
    await ingest('router', gapped, [1, 2, 5, 6, 8]);
    await ingest('lobby', late, [4, 3]);
    await ingest('router', null, [null, null]);
    const gaps = await service.database.query<Gap & { next_event_at: Date }>(query);
    const found = gaps
      .filter(({ producer }) => [whole, gapped, late].includes(producer))
      .map(({ next_event_at: _, ...gap }) => gap)
      .sort((a, b) => (a.first_missing < b.first_missing ? -1 : 1));
    expect(found).toEqual([
      { service: 'lobby', producer: late, first_missing: '1', last_missing: '2' },
      { service: 'router', producer: gapped, first_missing: '3', last_missing: '4' },
      { service: 'router', producer: gapped, first_missing: '7', last_missing: '7' },
    ]);
  });

  it('may come in any order', async () => {
    const producer = randomUUID();
    await ingest('router', producer, [3]);
    await ingest('router', producer, [1, 2]);
    const gaps = await service.database.query<Gap>(query);
    expect(gaps.filter((gap) => gap.producer === producer)).toEqual([]);
  });

  it.each([
    ['a sequence of zero', { sequence: 0 }, 'sequence'],
    ['a sequence that is no safe integer', { sequence: 2 ** 53 }, 'sequence'],
    ['a producer that is no UUID', { producer: 'me' }, 'producer'],
  ])('refuse %s with 400, naming the field', async (_name, difference, field) => {
    const event = {
      id: randomUUID(),
      timestamp: new Date().toISOString(),
      service: 'router',
      action: 'a',
      resource: 'r',
    };
    const answer = await request(service.url)
      .post('/v1/audit/events')
      .set('authorization', `Bearer ${await serviceToken('router', 'gatekeeper')}`)
      .send({ events: [{ ...event, result: 'ALLOWED', ...difference }] });
    expect(answer.body).toMatchObject({ status: 400 });
    expect((answer.body as { detail: string }).detail).toContain(`events.0.${field}`);
  });
});
