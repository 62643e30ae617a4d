import { describe, expect, it } from '@jest/globals';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { auditEvent, type AuditEvent } from '#contracts';
import { MAX_ENTRY_BYTES } from '../tiles/entry-bundle.js';
import { canonicalEvent, canonicalStoredEvent, type StoredEvent } from './canonical-event.js';
import { canonicalJson } from './canonical-json.js';
import { canonicalTime } from './event-time.js';
import { isDigestEntry, leafEntry } from './leaf-entry.js';
import { parseStoredJson } from './stored-json.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

const EVENT: AuditEvent = {
  id: '0190b7a8-1234-7abc-8def-0123456789ab',
  tenant_id: 'default',
  timestamp: '2026-11-21T07:00:00.123456Z',
  service: 'router',
  ghost_id: 'Scout',
  shell_id: null,
  action: 'inference',
  resource: 'shells/l1/echo',
  result: 'SUCCEEDED',
  reason: 'model "echo" answered',
  request_id: null,
  session_id: 's-1',
  entities: [{ kind: 'user', id: '123' }],
  metadata: { b: [1, -0, 1e21, 1e-7, 0.1], a: { '\ufb33': 1, '\ud83d\ude00': 2, '\r': 3, '1': 4 } },
  producer: null,
  sequence: 42,
};

const stored = (event: AuditEvent, difference: Partial<StoredEvent> = {}): StoredEvent => ({
  ...event,
  entities: JSON.stringify(event.entities),
  metadata: JSON.stringify(event.metadata),
  ...difference,
});

const json = fc.jsonValue({ maxDepth: 4 });

describe('canonical JSON', () => {
  it('is what canonicalize makes of any JSON', () => {
    fc.assert(
      fc.property(json, (value) => {
        const parsed: unknown = JSON.parse(JSON.stringify(value));
        expect(canonicalJson(parsed)).toBe(canonicalize(parsed));
      }),
      { numRuns: 500 },
    );
  });

  it('has the numbers and the order of RFC 8785', () => {
    const numbers: [number, string][] = [
      [0, '0'],
      [-0, '0'],
      [5e-324, '5e-324'],
      [-1.7976931348623157e308, '-1.7976931348623157e+308'],
      [9007199254740992, '9007199254740992'],
      [295147905179352830000, '295147905179352830000'],
      [1e21, '1e+21'],
      [9.999999999999997e22, '9.999999999999997e+22'],
      [0.000001, '0.000001'],
      [1e-7, '1e-7'],
      [333333333.3333332, '333333333.3333332'],
    ];
    for (const [number, text] of numbers) expect(canonicalJson(number)).toBe(text);
    const members = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
    expect(canonicalJson(members)).toBe('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}');
    const own: unknown = JSON.parse('{"__proto__":1,"constructor":2}');
    expect(canonicalJson(own)).toBe('{"__proto__":1,"constructor":2}');
  });

  it('takes nothing that is not JSON', () => {
    const deep = JSON.parse('['.repeat(100) + ']'.repeat(100)) as unknown;
    for (const wrong of [
      NaN,
      Infinity,
      undefined,
      1n,
      Symbol('x'),
      () => 1,
      new Date(),
      new Map(),
      '\ud800',
      [undefined],
      deep,
    ])
      expect(() => canonicalJson(wrong)).toThrow(code('tlog_argument'));
    expect(() => canonicalJson({ '\udc00': 1 })).toThrow(code('tlog_argument'));
    expect(() => canonicalJson({ toJSON: () => 1 })).toThrow(code('tlog_argument'));
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
  });
});

describe('what jsonb has stored', () => {
  /** As PostgreSQL's numeric writes a number that JSON.stringify wrote: with all its digits, and no exponent. */
  const spelled = (number: number): string => {
    const [mantissa = '', exponent] = JSON.stringify(number).split('e');
    if (exponent === undefined) return mantissa;
    const [sign, whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(mantissa)!.slice(1);
    const shift = Number(exponent);
    if (shift > 0) return `${sign}${whole}${fraction}${'0'.repeat(shift - fraction.length)}`;
    return `${sign}0.${'0'.repeat(-shift - 1)}${whole}${fraction}`;
  };

  it('gives back any double that was stored', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const text = `{"long":"${'x'.repeat(20)}","n":[${spelled(number)}]}`;
        expect(canonicalJson(parseStoredJson(text))).toBe(canonicalJson({ long: 'x'.repeat(20), n: [number] }));
      }),
      { numRuns: 2000 },
    );
    for (const number of [1e21, -1e21, 5e-324, Number.MAX_VALUE, 2 ** 53, 0.1 + 0.2, 123456789012345680000])
      expect(canonicalJson(parseStoredJson(spelled(number)))).toBe(canonicalJson(number));
  });

  it('loses nothing of a number that no service can have written', () => {
    for (const [one, another] of [
      ['12345678901234567000', '12345678901234567001'],
      ['0.1', '0.10000000000000001'],
      ['9007199254740992', '9007199254740993'],
      ['0', `0.${'0'.repeat(400)}1`],
      ['-0.00001', `-0.00001${'0'.repeat(20)}1`],
      [`1${'0'.repeat(400)}`, `2${'0'.repeat(400)}`],
    ] as const)
      expect(canonicalJson(parseStoredJson(one))).not.toBe(canonicalJson(parseStoredJson(another)));
    fc.assert(
      fc.property(fc.bigInt(), fc.bigInt(), (one, two) => {
        const texts = [one, two].map((number) => canonicalJson(parseStoredJson(String(number))));
        expect(texts[0] === texts[1]).toBe(one === two);
      }),
    );
  });

  it('has the names that it says, whatever was read before', () => {
    const names = ['\\', '"', '\n', '\u0001', '\\u', '\u0001a', '\\"', 'a'];
    for (const first of names)
      for (const second of names) {
        const texts = [first, second].map((name) =>
          JSON.stringify(
            Object.fromEntries([
              ['a b', 1],
              [name, 1],
            ]),
          ),
        );
        const read = texts.map((text) => Object.keys(parseStoredJson(text) as object)[1]);
        expect(read).toEqual([first, second]);
      }
  });

  it('is read as JSON.parse reads it, with escapes, space and odd names', () => {
    const value = fc.jsonValue({ maxDepth: 4 });
    fc.assert(
      fc.property(value, fc.constantFrom(0, 1, '\t', '\n'), (value, space) => {
        const { read } = parseStoredJson(JSON.stringify({ read: [value, '\\'] }, null, space)) as { read: unknown[] };
        expect(canonicalJson(read[0])).toBe(canonicalJson(value));
      }),
    );
    const odd = parseStoredJson('{"__proto__": {"\\\\": [true, false, null]}, "": {}}');
    expect(canonicalJson(odd)).toBe('{"":{},"__proto__":{"\\\\":[true,false,null]}}');
  });

  it('of another form is refused', () => {
    for (const wrong of [
      '[1,]',
      '[,1]',
      '{"a"}',
      '{"a":}',
      '{a:1}',
      '{"a":1,}',
      '[1 2]',
      '"a',
      'tru',
      '01',
      '1.',
      '-',
      '.5',
      '[1',
      '{"a":1',
      '',
      ' ',
      '[1]]',
      '"\n"',
      '"\\x"',
      '1e401',
    ])
      expect(() => parseStoredJson(`["\\\\",${wrong}]`)).toThrow(code('tlog_malformed'));
  });

  it('has one spelling for what are equal numbers to jsonb', () => {
    for (const [text, canonical] of [
      ['1.0', '1'],
      ['1.50', '1.5'],
      ['0.00', '0'],
      ['-0.0000000000000000000', '0'],
      ['100', '100'],
      ['12345678901234567001.00', '12345678901234567001'],
      ['["\\n",1.2345e2,0.5e1,125e-2,1E+2,-1e-7,0e5]', '["\\n",123.45,5,1.25,100,-1e-7,0]'],
      ['1.00000000000000000000000', '1'],
    ] as const)
      expect(canonicalJson(parseStoredJson(text))).toBe(canonical);
  });

  it('is read in the time that its length takes', () => {
    // Of the processor: a machine that stands still is no slow reader.
    const started = process.cpuUsage();
    const hostile = [`0.${'0'.repeat(200_000)}`, '9'.repeat(130_000), `${'['.repeat(50)}${'1'.repeat(100_000)}`];
    const long = { text: '"'.repeat(100_000) + '漢'.repeat(300_000) };
    expect(parseStoredJson(JSON.stringify(long))).toEqual(long);
    for (const text of hostile)
      try {
        parseStoredJson(text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'tlog_malformed' });
      }
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(10_000);
    for (const wrong of ['', '{', '1e5000000000000000', 'undefined', '01234567890123456789'])
      expect(() => parseStoredJson(wrong)).toThrow(code('tlog_malformed'));
  });
});

describe('the time of an event', () => {
  it('is UTC with microseconds, whatever its offset and its digits', () => {
    for (const [text, canonical] of [
      ['2026-11-21T07:00:00Z', '2026-11-21T07:00:00.000000Z'],
      ['2026-11-21T07:00Z', '2026-11-21T07:00:00.000000Z'],
      ['2026-11-21T07:00:00.1Z', '2026-11-21T07:00:00.100000Z'],
      ['2026-11-21T07:00:00.1234567899Z', '2026-11-21T07:00:00.123456Z'],
      ['2026-11-21T07:00:00.999999999999+01:00', '2026-11-21T06:00:00.999999Z'],
      ['2026-01-01T00:30:00.5+15:59', '2025-12-31T08:31:00.500000Z'],
      ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
      ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
      ['2024-02-29T00:00:00.000001Z', '2024-02-29T00:00:00.000001Z'],
    ] as const)
      expect(canonicalTime(text)).toBe(canonical);
  });

  it('is one that there is', () => {
    for (const wrong of [
      '',
      'now',
      '2026-11-21',
      '2026-11-21 07:00:00Z',
      '2026-13-01T00:00:00.000000Z',
      '2026-11-21T24:00:01.000000Z',
      '0000-06-01T00:00:00.000000Z',
      '9999-12-31T23:59:59-01:00',
      'infinity',
      `2026-11-21T07:00:00.${'1'.repeat(200)}Z`,
    ])
      expect(() => canonicalTime(wrong)).toThrow(code('tlog_argument'));
    expect(() => canonicalTime(null as unknown as string)).toThrow(code('tlog_argument'));
  });

  it('is that of Date, where a Date has all of it', () => {
    const min = new Date('0001-01-01T00:00:00Z');
    fc.assert(
      fc.property(fc.date({ min, max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }), (date) => {
        const text = date.toISOString();
        expect(canonicalTime(text)).toBe(text.replace('Z', '000Z'));
        expect(canonicalTime(canonicalTime(text))).toBe(canonicalTime(text));
      }),
    );
  });
});

describe('a canonical event', () => {
  it('is RFC 8785 JSON of all members of an event, and of no other', () => {
    expect(canonicalEvent(EVENT)).toBe(canonicalize(EVENT));
    expect(Object.keys(JSON.parse(canonicalEvent(EVENT)) as object)).toEqual(Object.keys(auditEvent.shape).sort());
    const more = { ...EVENT, more: 1 };
    expect(canonicalEvent(more)).toBe(canonicalEvent(EVENT));
  });

  it('is the same for any spelling of the same event', () => {
    const other: AuditEvent = Object.fromEntries(Object.entries(EVENT).reverse()) as AuditEvent;
    other.id = EVENT.id.toUpperCase();
    other.timestamp = '2026-11-21T08:00:00.123456789+01:00';
    other.metadata = Object.fromEntries(Object.entries(EVENT.metadata).reverse());
    expect(canonicalEvent(other)).toBe(canonicalEvent(EVENT));
    expect(canonicalStoredEvent(stored(EVENT, { sequence: '42' }))).toBe(canonicalEvent(EVENT));
  });

  it('is another when anything in the event is', () => {
    const same = canonicalEvent(EVENT);
    const changes: Partial<AuditEvent>[] = [
      { id: EVENT.id.replace('a', 'b') },
      { tenant_id: 'Default' },
      { timestamp: '2026-11-21T07:00:00.123457Z' },
      { service: 'Router' },
      { ghost_id: null },
      { ghost_id: 'null' },
      { shell_id: '' },
      { action: 'inference ' },
      { resource: 'shells/l1/Echo' },
      { result: 'FAILED' },
      { reason: '' },
      { request_id: 'null' },
      { session_id: null },
      { entities: [] },
      { entities: [{ kind: 'user', id: '124' }] },
      { entities: [...EVENT.entities, ...EVENT.entities] },
      { metadata: {} },
      { metadata: { ...EVENT.metadata, c: null } },
      { producer: EVENT.id },
      { sequence: null },
      { sequence: 43 },
    ];
    for (const change of changes) {
      expect(canonicalEvent({ ...EVENT, ...change })).not.toBe(same);
      expect(canonicalStoredEvent(stored({ ...EVENT, ...change }))).toBe(canonicalEvent({ ...EVENT, ...change }));
    }
    expect(new Set(changes.flatMap(Object.keys)).size).toBe(Object.keys(auditEvent.shape).length);
  });

  it('is not made of what is no event', () => {
    for (const change of [
      { id: 'x' },
      { producer: 'x' },
      { producer: undefined },
      { sequence: 1.5 },
      { sequence: undefined },
      { timestamp: 'x' },
      { tenant_id: undefined },
      { entities: undefined },
      { metadata: undefined },
      { reason: '\ud800' },
    ])
      expect(() => canonicalEvent({ ...EVENT, ...change } as AuditEvent)).toThrow(code('tlog_argument'));
    expect(() => canonicalStoredEvent(stored(EVENT, { sequence: '1.0' }))).toThrow(code('tlog_argument'));
    expect(() => canonicalStoredEvent(stored(EVENT, { metadata: '' }))).toThrow(code('tlog_malformed'));
  });
});

describe('the leaf of an event', () => {
  it('is the event itself, up to what a bundle can carry, and its digest beyond', () => {
    const sized = (bytes: number) => `"${'x'.repeat(bytes - 2)}"`;
    expect(leafEntry(sized(MAX_ENTRY_BYTES)).toString()).toBe(sized(MAX_ENTRY_BYTES));
    const entry = leafEntry(sized(MAX_ENTRY_BYTES + 1));
    expect(entry.toString()).toMatch(/^\{"event_bytes":65536,"event_sha256":"[0-9a-f]{64}"\}$/);
    expect(isDigestEntry(entry)).toBe(true);
    expect(isDigestEntry(leafEntry(canonicalEvent(EVENT)))).toBe(false);
    expect(leafEntry('"é"')).toHaveLength(4);
  });

  it('of the largest event that the contract allows is a digest; the bound is where it says', () => {
    // One character of text takes at most six bytes in JSON (\u0001), of a name three; metadata have 32 KiB characters of JSON already.
    const name = '漢'.repeat(200);
    const text = (length: number) => '\u0001'.repeat(length);
    const largest: AuditEvent = {
      ...EVENT,
      tenant_id: name,
      service: name,
      ghost_id: name,
      shell_id: name,
      action: name,
      resource: text(1000),
      reason: text(4000),
      request_id: text(200),
      session_id: text(200),
      entities: Array.from({ length: 64 }, () => ({ kind: name, id: text(500) })),
      metadata: { x: '漢'.repeat(32 * 1024 - '{"x":""}'.length) },
      producer: EVENT.id,
      sequence: Number.MAX_SAFE_INTEGER,
      result: 'UNAUTHENTICATED',
    };
    expect(auditEvent.safeParse(largest).success).toBe(true);
    const bytes = Buffer.byteLength(canonicalEvent(largest));
    expect(bytes).toBe(365_711);
    expect(isDigestEntry(leafEntry(canonicalEvent(largest)))).toBe(true);
  });
});
