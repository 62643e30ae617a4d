import { describe, expect, it } from '@jest/globals';
import { PgoutputDecoder } from './pgoutput.js';

const int = (value: number, bytes: 2 | 4): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
};
const text = (value: string): Buffer => Buffer.concat([int(Buffer.byteLength(value), 4), Buffer.from(value)]);
const message = (...parts: (string | Buffer)[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part)));
const column = (name: string): Buffer => message('\u0001', `${name}\0`, int(23, 4), int(0, 4));
const RELATION = message('R', int(4_000_000_000, 4), 'public\0', 'thing\0', 'd', int(2, 2), column('id'), column('ä'));
const ID = int(4_000_000_000, 4);
const thing = { schema: 'public', name: 'thing', columns: ['id', 'ä'] };

describe('PgoutputDecoder', () => {
  const decode = (...parts: (string | Buffer)[]): unknown => {
    const decoder = new PgoutputDecoder();
    expect(decoder.decode(RELATION)).toBeUndefined();
    return decoder.decode(message(...parts));
  };

  it('understands rows that come, change and go', () => {
    expect(decode('I', ID, 'N', int(2, 2), 't', text('1'), 'n')).toEqual({
      kind: 'insert',
      relation: thing,
      old: undefined,
      new: ['1', null],
    });
    expect(decode('U', ID, 'N', int(2, 2), 't', text('1'), 'u')).toMatchObject({
      old: undefined,
      new: ['1', undefined],
    });
    expect(
      decode('U', ID, 'K', int(2, 2), 't', text('1'), 'n', 'N', int(2, 2), 't', text('2'), 't', text('ö')),
    ).toMatchObject({ kind: 'update', old: ['1', null], new: ['2', 'ö'] });
    expect(decode('D', ID, 'K', int(2, 2), 't', text('1'), 'n')).toMatchObject({ kind: 'delete', old: ['1', null] });
    expect(decode('T', int(1, 4), '\0', ID)).toEqual({ kind: 'truncate', relations: [thing] });
  });

  it.each(['B', 'C', 'O', 'Y', 'M'])('passes by "%s", which is about no row', (kind) => {
    expect(decode(kind, Buffer.alloc(30))).toBeUndefined();
  });

  it.each([
    ['a message that is not known', ['X'], 'said "X"'],
    ['a relation that was not described', ['I', int(7, 4), 'N', int(0, 2)], 'relation 7'],
    ['a value in a form that was not asked for', ['I', ID, 'N', int(1, 2), 'b', text('1')], 'as "b"'],
    ['something else where the new row belongs', ['I', ID, 'K', int(0, 2)], '"N" belongs'],
  ])('does not guess at %s', (_name, parts, said) => {
    expect(() => decode(...parts)).toThrow(said);
  });
});
