import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PostgresSink } from '#audit';
import { AUDIT_RESULTS, auditEvent, type AuditEvent } from '#contracts';
import { createPool } from '#database';
import { startService, type TestService } from '#testing';
import { canonicalEvent, canonicalStoredEvent, type StoredEvent } from '#tlog';
import { gatekeeper } from '../src/app.module.js';
import { STORED_EVENT_COLUMNS } from '../src/notary/core/stored-events.js';

const storable = (text: string): string => text.replaceAll('\0', '').toWellFormed();
const piece = fc.constantFrom(
  '\u0001',
  '"',
  '\\',
  '\u2028',
  '\ufeff',
  '\u007f',
  'é',
  'e\u0301',
  '漢',
  '𝕏',
  '\uffff',
  '\t\n',
  ' ',
);
const text = (max: number) =>
  fc
    .string({ unit: fc.oneof(piece, fc.string({ unit: 'grapheme', maxLength: 2 })), maxLength: 8 })
    .map((value) => storable(value).slice(0, max).toWellFormed());
const name = fc.oneof(fc.constantFrom('default', 'Scout', 'a b+c', '漢字', '𝕏'), fc.stringMatching(/^[ -~]{1,20}$/));
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.constantFrom(
    -0,
    1.0,
    0.1,
    1e21,
    1e-7,
    5e-324,
    Number.MAX_VALUE,
    2 ** 53,
    2 ** 64,
    123456789012345680000,
    0.1 + 0.2,
  ),
);
const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    number,
    text(20),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text(10), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const metadata = fc.dictionary(text(10), json, { maxKeys: 4, noNullPrototype: true });
/** Offsets, and fractions of up to twelve digits, of any year. */
const time = fc
  .tuple(
    fc.date({ min: new Date('0001-01-03T00:00:00Z'), max: new Date('9999-12-29T00:00:00Z'), noInvalidDate: true }),
    fc.option(fc.stringMatching(/^\d{1,12}$/), { nil: '' }),
    fc.constantFrom('Z', '+00:00', '+05:45', '-15:59', '+15:59'),
  )
  .map(([date, fraction, offset]) => `${date.toISOString().slice(0, 19)}${fraction && `.${fraction}`}${offset}`);

const event: fc.Arbitrary<AuditEvent> = fc
  .record({
    id: fc.uuid(),
    tenant_id: name,
    timestamp: time,
    service: name,
    ghost_id: orNull(name),
    shell_id: orNull(name),
    action: name,
    resource: text(20).map((resource) => resource || 'x'),
    result: fc.constantFrom(...AUDIT_RESULTS),
    reason: text(50),
    request_id: orNull(text(20)),
    session_id: orNull(text(20)),
    entities: fc.array(fc.record({ kind: name, id: text(20).map((id) => id || 'x') }), { maxLength: 3 }),
    metadata,
    producer: orNull(fc.uuid().map((id) => id.toUpperCase())),
    sequence: orNull(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  })
  .filter((event) => auditEvent.safeParse(event).success);

describe('the canonical form of an event', () => {
  let service: TestService;
  let sink: PostgresSink;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
    sink = new PostgresSink(createPool(service.database.runtimeUrl, 'canonical-spec', 1, () => undefined));
    // The trail has the months around now; these are all others.
    await service.database.query(`
      CREATE TABLE audit_log_before PARTITION OF audit_log FOR VALUES FROM (MINVALUE) TO ('2000-01-01Z');
      CREATE TABLE audit_log_after PARTITION OF audit_log FOR VALUES FROM ('2100-01-01Z') TO (MAXVALUE);
      CREATE TABLE event_entities_before PARTITION OF event_entities FOR VALUES FROM (MINVALUE) TO ('2000-01-01Z');
      CREATE TABLE event_entities_after PARTITION OF event_entities FOR VALUES FROM ('2100-01-01Z') TO (MAXVALUE)`);
  });
  afterAll(async () => {
    await sink.close();
    await service.close();
  });

  /** Events between the two partitions are moved into the later one. */
  const held = (event: AuditEvent): AuditEvent =>
    /^(199\d|20\d\d|2100)/.test(event.timestamp) ? { ...event, timestamp: `3${event.timestamp.slice(1)}` } : event;
  const rowsOf = async (ids: readonly string[]): Promise<Map<string, StoredEvent>> => {
    const rows = await service.database.query<StoredEvent>(
      `SELECT ${STORED_EVENT_COLUMNS} FROM audit_log WHERE id = ANY($1)`,
      [ids],
    );
    return new Map(rows.map((row) => [row.id, row]));
  };

  it('is a function of the row: what is read has the bytes that were written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 60 }), fc.boolean(), async (made, overTheWire) => {
        const events = made.map((event, i) => {
          const own = held({ ...event, id: i % 2 ? randomUUID() : randomUUID().toUpperCase() });
          return auditEvent.parse(overTheWire ? JSON.parse(JSON.stringify(own)) : own);
        });
        expect(await sink.write(events)).toEqual({ accepted: events.length, duplicates: 0 });
        const rows = await rowsOf(events.map(({ id }) => id));
        for (const event of events)
          expect(canonicalStoredEvent(rows.get(event.id.toLowerCase())!)).toBe(canonicalEvent(event));
      }),
      { numRuns: 30 },
    );
  });

  it('is that of what the API answers', async () => {
    const one = auditEvent.parse({
      id: randomUUID(),
      timestamp: new Date().toISOString().replace('Z', '456+00:00'),
      service: 'test',
      action: 'test',
      resource: 'canonical',
      result: 'ALLOWED',
      metadata: { n: [1e21, 1e-7, -0, 0.1, 12345678901234567000], z: 1, a: 2 },
    });
    await sink.write([one]);
    const [row] = [...(await rowsOf([one.id])).values()];
    const api = {
      ...row!,
      entities: [],
      metadata: JSON.parse(row!.metadata) as unknown,
      sequence: null,
    } as unknown as AuditEvent;
    expect(canonicalEvent(api)).toBe(canonicalEvent(one));
    expect(canonicalEvent({ ...api, timestamp: api.timestamp.replace(/000Z$/, 'Z') })).toBe(canonicalEvent(one));
  });

  it('is another after any edit of the row, however small', async () => {
    const one = auditEvent.parse({
      id: randomUUID(),
      timestamp: new Date().toISOString(),
      service: 'test',
      action: 'test',
      resource: 'canonical',
      result: 'DENIED',
      metadata: { big: 12345678901234567000, small: 0.1, list: [1, 2] },
    });
    await sink.write([one]);
    const read = async () => canonicalStoredEvent([...(await rowsOf([one.id])).values()][0]!);
    const before = await read();
    expect(before).toBe(canonicalEvent(one));
    for (const edit of [
      `result = 'ALLOWED'`,
      `reason = ' '`,
      `session_id = ''`,
      `tenant_id = 'other'`,
      `timestamp = timestamp + interval '1 microsecond'`,
      `sequence = 9223372036854775807`,
      `entities = '[{"id": "1", "kind": "user", "more": true}]'`,
      `metadata = metadata || '{"big": 12345678901234567001}'`,
      `metadata = metadata || '{"small": 0.10000000000000001}'`,
      `metadata = metadata || '{"list": [2, 1]}'`,
      `metadata = metadata || '{"more": null}'`,
      `metadata = '[]'`,
    ]) {
      const [{ metadata, entities, ...row }] = (await service.database.query<Record<string, unknown>>(
        'SELECT * FROM audit_log WHERE id = $1',
        [one.id],
      )) as [Record<string, unknown>];
      await service.database.query(`UPDATE audit_log SET ${edit} WHERE id = $1`, [one.id]);
      expect(`${edit}: ${(await read()) === before}`).toBe(`${edit}: false`);
      await service.database.query(
        `UPDATE audit_log SET result = $2, reason = $3, session_id = $4, tenant_id = $5, timestamp = $6, sequence = $7,
           entities = $8, metadata = $9 WHERE id = $1`,
        [
          one.id,
          row.result,
          row.reason,
          row.session_id,
          row.tenant_id,
          row.timestamp,
          row.sequence,
          JSON.stringify(entities),
          JSON.stringify(metadata),
        ],
      );
      expect(await read()).toBe(before);
    }
  });
});
