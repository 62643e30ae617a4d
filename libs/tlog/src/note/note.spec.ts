import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EMPTY_ROOT, leafHash } from '../merkle/hashing.js';
import { fromBase64, hashFromBase64, toBase64 } from './base64.js';
import { formatCheckpoint, openCheckpoint, parseCheckpoint, readCheckpoint, signCheckpoint } from './checkpoint.js';
import { parseDecimal } from './decimal.js';
import { isKeyName, tenantOrigin } from './key-name.js';
import { COSIGNATURE, cosignatureTime, ED25519, NoteSigner, NoteVerifier } from './keys.js';
import { MAX_NOTE_BYTES } from './note-text.js';
import {
  formatSignature,
  MAX_SIGNATURES,
  openNote,
  parseNote,
  parseSignatureLines,
  signNote,
  type NoteSignature,
} from './signed-note.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const seed = (text: string): Buffer => createHash('sha256').update(text).digest();
const NAME = 'gravitas.example/audit/default';
const NOW = 1_790_000_000_123;
const signer = new NoteSigner(NAME, seed('log'));
const other = new NoteSigner('other.example/log', seed('other'));
const witness = new NoteSigner('witness.example/w1', seed('witness'), COSIGNATURE, () => NOW);
const root = leafHash(Buffer.from('any'));

describe('key names', () => {
  it('are not empty, and have neither spaces nor a plus', () => {
    for (const name of ['a', 'gravitas.example/audit/default', 'Ä', '漢', '—']) expect(isKeyName(name)).toBe(true);
    for (const name of [
      '',
      ' ',
      'a b',
      'a+b',
      'a\u00a0b',
      'a\u2003b',
      'a\u0085b',
      'a\nb',
      'a\0',
      '\ud800',
      'x'.repeat(3001),
    ])
      expect(isKeyName(name)).toBe(false);
    expect(() => new NoteSigner('a b', seed('x'))).toThrow(code('tlog_argument'));
  });

  it('of tenants differ where the tenants do, whatever they are called', () => {
    const tenant = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(tenant, tenant, (one, two) => {
        const [origin, second] = [one, two].map((name) => tenantOrigin('gravitas.example/audit', name));
        expect(isKeyName(origin!)).toBe(true);
        expect(origin === second).toBe(one === two);
      }),
    );
    expect(tenantOrigin('gravitas.example/audit', 'team a/b+c')).toBe('gravitas.example/audit/team%20a%2Fb%2Bc');
  });
});

describe('keys', () => {
  it('have the id that the specification gives them', () => {
    for (const [key, type] of [
      [signer, ED25519],
      [witness, COSIGNATURE],
    ] as const) {
      const { name, publicKey } = key.verifier;
      const digest = createHash('sha256')
        .update(`${name}\n`)
        .update(Buffer.from([type]))
        .update(publicKey)
        .digest('hex');
      expect(key.keyId).toBe(digest.slice(0, 8));
      expect(String(key.verifier)).toBe(`${name}+${key.keyId}+${toBase64(Buffer.from([type, ...publicKey]))}`);
      expect(NoteVerifier.parse(String(key.verifier))).toEqual(key.verifier);
    }
  });

  it('go by another name under another id', () => {
    const renamed = signer.named('gravitas.example/audit/other');
    expect(renamed.keyId).not.toBe(signer.keyId);
    expect(renamed.verifier.publicKey).toEqual(signer.verifier.publicKey);
    expect(String(signer.verifier.named(renamed.name))).toBe(String(renamed.verifier));
  });

  it('keep their secret to themselves, but for the one who asks for it', () => {
    const secret = signer.exportSecret();
    const hidden = /^PRIVATE\+KEY\+.*\+(.*)$/.exec(secret)![1]!;
    expect(JSON.stringify(signer) + inspect(signer, { depth: 9 })).not.toContain(hidden);
    expect(JSON.stringify(signer)).not.toContain('seed');
    expect(NoteSigner.parse(secret).exportSecret()).toBe(secret);
  });

  it('of another form are refused', () => {
    const text = String(signer.verifier);
    const [name, id, key] = text.split('+', 3) as [string, string, string];
    for (const wrong of [
      '',
      '++',
      `${name}+${id}`,
      `${name}+${id}+`,
      `${name}+00000000+${text.slice(name.length + 10)}`,
      `${name}x${text.slice(name.length)}`,
      `na me${text.slice(name.length)}`,
      text.toUpperCase(),
      `${text}=`,
      `${text} `,
      text.slice(0, -1),
      `${name}+${id}+${toBase64(Buffer.from([2, ...signer.verifier.publicKey]))}`,
      signer.exportSecret(),
      'x'.repeat(5000),
    ])
      expect(() => NoteVerifier.parse(wrong)).toThrow(code('tlog_malformed'));
    expect(key).toBeDefined();
    for (const wrong of ['', text, signer.exportSecret().replace(/\+[0-9a-f]{8}\+/, '+00000000+')])
      expect(() => NoteSigner.parse(wrong)).toThrow(code('tlog_malformed'));
    expect(() => new NoteSigner(NAME, Buffer.alloc(31))).toThrow(code('tlog_argument'));
    expect(() => new NoteVerifier(NAME, Buffer.alloc(31))).toThrow(code('tlog_argument'));
  });
});

describe('a note', () => {
  const text = fc
    .string({
      unit: fc.oneof(
        fc.constantFrom('\n', '\n\n', '\u2014 ', 'é', '𝕏', '\u007f', '\ufeff'),
        fc.string({ maxLength: 3 }),
      ),
    })
    // eslint-disable-next-line no-control-regex
    .map((text) => `${text.replaceAll(/[\0-\x09\x0b-\x1f]/g, '').toWellFormed()}\n`);

  it('opens with the key that signed it, whatever it says', () => {
    fc.assert(
      fc.property(text, (text) => {
        const note = signNote(text, [signer, other]);
        for (const form of [note, Buffer.from(note)]) {
          const opened = openNote(form, [signer.verifier]);
          expect(opened.text).toBe(text);
          expect(opened.verified.map(({ name }) => name)).toEqual([signer.name]);
          expect(opened.unknown.map(({ name }) => name)).toEqual([other.name]);
        }
        expect(parseNote(note).signatures.map(formatSignature).join('')).toBe(note.slice(text.length + 1));
      }),
    );
  });

  it('does not open when any byte of it is another', () => {
    const note = Buffer.from(signNote('gravitas\nanother line\n', [signer]));
    for (let bit = 0; bit < note.length * 8; bit++) {
      const changed = Buffer.from(note);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => openNote(changed, [signer.verifier])).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^tlog_(signature|malformed)$/) }),
      );
    }
  });

  it('with a wrong signature of a known key does not open, whoever else has signed', () => {
    const forged: NoteSignature = { name: other.name, keyId: other.keyId, signature: Buffer.alloc(64, 1) };
    const note = signNote('text\n', [signer], [forged]);
    expect(openNote(note, [signer.verifier]).unknown).toHaveLength(1);
    expect(() => openNote(note, [signer.verifier, other.verifier])).toThrow(code('tlog_signature'));
    expect(() => openNote(note, [other.verifier])).toThrow(code('tlog_signature'));
  });

  it('is not opened by a key that shares the name or the id only', () => {
    const note = signNote('text\n', [signer]);
    for (const stranger of [new NoteSigner(NAME, seed('another')), signer.named('other.example')])
      expect(() => openNote(note, [stranger.verifier])).toThrow(/signed by none of the 1 known keys/);
    expect(() => openNote(note, [])).toThrow(code('tlog_signature'));
  });

  it('of another form is refused', () => {
    const note = signNote('text\n', [signer]);
    const line = note.slice('text\n\n'.length);
    for (const wrong of [
      '',
      '\n',
      'text\n',
      'text\n\n',
      line,
      `text\n${line}`,
      `text\n\n${line}\n`,
      `text\n\n${line.trimEnd()}`,
      `text\n\n${line}not a signature\n`,
      `text\r\n\r\n${line}`,
      `te\0xt\n\n${line}`,
      `te\txt\n\n${line}`,
      `te\ud800xt\n\n${line}`,
      `text\n\n${line.replace('\u2014', '-')}`,
      `text\n\n${line.replace('\u2014 ', '\u2014')}`,
      `text\n\n${line.replace(NAME, 'a+b')}`,
      `text\n\n${line.replace(NAME, '')}`,
      `text\n\n${line.replace(NAME, 'a\u00a0b')}`,
      `text\n\n${line.replace('\n', ' \n')}`,
      `text\n\n${line.replace('\n', '=\n')}`,
      `text\n\n\u2014 ${NAME}\n`,
      `text\n\n\u2014 ${NAME} \n`,
      `text\n\n\u2014 ${NAME} AAAAAA==\n`,
      `text\n\n\u2014 ${NAME} AAAAAAB=\n`,
      `text\n\n\u2014 ${NAME} AAAA AAAA\n`,
    ])
      expect(() => openNote(wrong, [signer.verifier])).toThrow(code('tlog_malformed'));
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x80]])
      expect(() => parseNote(Buffer.concat([Buffer.from(bytes), Buffer.from(note)]))).toThrow(code('tlog_malformed'));
    // A byte order mark is text like any other, and so not what was signed.
    expect(() => openNote(`\ufeff${note}`, [signer.verifier])).toThrow(code('tlog_signature'));
  });

  it('is bounded in bytes and in signatures', () => {
    const line = signNote('text\n', [other]).slice('text\n\n'.length);
    const full = `text\n\n${line.repeat(MAX_SIGNATURES)}`;
    expect(parseNote(full).signatures).toHaveLength(MAX_SIGNATURES);
    expect(() => parseNote(full + line)).toThrow(code('tlog_too_large'));
    const long = (bytes: number) => `${'x'.repeat(bytes - line.length - 4)}\n\n${line}`;
    expect(Buffer.byteLength(long(MAX_NOTE_BYTES))).toBe(MAX_NOTE_BYTES);
    expect(parseNote(long(MAX_NOTE_BYTES)).signatures).toHaveLength(1);
    for (const wrong of [long(MAX_NOTE_BYTES + 1), Buffer.alloc(MAX_NOTE_BYTES + 1, 10), 'é'.repeat(MAX_NOTE_BYTES)])
      expect(() => parseNote(wrong)).toThrow(code('tlog_too_large'));
  });

  it('never fails in another way, whatever comes in', () => {
    const piece = fc.oneof(
      fc.constantFrom('\n', '\n\n', '\u2014 ', ' ', NAME, signNote('text\n', [signer]), 'old 0', '0', '=='),
      fc.string(),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece).map((all) => all.join('')),
          fc.uint8Array(),
        ),
        (input) => {
          for (const parse of [parseNote, readCheckpoint, (note: typeof input) => openNote(note, [signer.verifier])])
            try {
              parse(input);
            } catch (error) {
              expect(error).toMatchObject({ name: 'TlogError' });
            }
        },
      ),
    );
  });

  it('that could not be read back is not written', () => {
    for (const wrong of ['', 'no newline', 'control\x01\n', 'lone \ud800\n'])
      expect(() => signNote(wrong, [signer])).toThrow(code('tlog_argument'));
    expect(() => signNote('text\n', [])).toThrow(code('tlog_argument'));
    expect(() => signNote('text\n', Array<NoteSigner>(101).fill(signer))).toThrow(code('tlog_argument'));
    expect(() => parseSignatureLines('')).toThrow(code('tlog_malformed'));
  });
});

describe('a cosignature', () => {
  const text = formatCheckpoint({ origin: NAME, size: 1, root });

  it('tells when it was made', () => {
    const note = signNote(text, [signer, witness]);
    const { verified } = openNote(note, [signer.verifier, witness.verifier]);
    expect(verified.map(({ time }) => time)).toEqual([undefined, Math.floor(NOW / 1000)]);
    expect(cosignatureTime(verified[1]!.signature)).toBe(Math.floor(NOW / 1000));
  });

  it('is of its time, its text and its type', () => {
    const [signature] = parseNote(signNote(text, [witness])).signatures;
    const { verifier } = witness;
    expect(verifier.verify(text, signature!.signature)).toBe(true);
    const later = Buffer.from(signature!.signature);
    later[7]! ^= 1;
    expect(verifier.verify(text, later)).toBe(false);
    expect(verifier.verify(`${text}more\n`, signature!.signature)).toBe(false);
    const plain = new NoteSigner(witness.name, seed('witness'));
    expect(plain.keyId).not.toBe(witness.keyId);
    expect(plain.verifier.verify(text, signature!.signature)).toBe(false);
    expect(plain.verifier.verify(text, signature!.signature.subarray(8))).toBe(false);
    expect(verifier.verify(text, plain.sign(text))).toBe(false);
  });

  it('of another length or of no time is none', () => {
    for (const length of [0, 8, 64, 71, 73]) expect(cosignatureTime(Buffer.alloc(length))).toBeUndefined();
    expect(cosignatureTime(Buffer.alloc(72, 255))).toBeUndefined();
    expect(witness.verifier.verify(text, Buffer.alloc(72))).toBe(false);
  });
});

describe('a checkpoint', () => {
  it('is read back as what it was', () => {
    const line = fc.stringMatching(/^[ -~]{1,30}$/);
    fc.assert(
      fc.property(
        line,
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.array(line),
        (origin, size, extensions) => {
          const checkpoint = { origin, size, root, extensions };
          expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint);
        },
      ),
    );
    expect(formatCheckpoint({ origin: NAME, size: 0, root: EMPTY_ROOT })).toBe(
      `${NAME}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n`,
    );
  });

  it('of another form is refused', () => {
    const base64 = toBase64(root);
    for (const wrong of [
      '',
      '\n',
      `${NAME}\n`,
      `${NAME}\n1\n`,
      `${NAME}\n1\n${base64}`,
      `\n1\n${base64}\n`,
      `${NAME}\n01\n${base64}\n`,
      `${NAME}\n-1\n${base64}\n`,
      `${NAME}\n+1\n${base64}\n`,
      `${NAME}\n1.0\n${base64}\n`,
      `${NAME}\n1e3\n${base64}\n`,
      `${NAME}\n 1\n${base64}\n`,
      `${NAME}\n0x1\n${base64}\n`,
      `${NAME}\n9007199254740992\n${base64}\n`,
      `${NAME}\n99999999999999999999\n${base64}\n`,
      `${NAME}\n0\n${base64}\n`,
      `${NAME}\n1\n${base64.slice(0, -1)}\n`,
      `${NAME}\n1\n${base64.slice(0, 40)}\n`,
      `${NAME}\n1\n${toBase64(Buffer.alloc(33))}\n`,
      `${NAME}\n1\n${base64}\n\n`,
      `${NAME}\n1\n${base64}\none\n\ntwo\n`,
    ])
      expect(() => parseCheckpoint(wrong)).toThrow(code('tlog_malformed'));
  });

  it('that could not be read back is not written', () => {
    const head = { origin: NAME, size: 1, root };
    for (const wrong of [
      { origin: '' },
      { origin: 'a\nb' },
      { size: -1 },
      { size: 2 ** 53 },
      { size: 0 },
      { root: Buffer.alloc(31) },
      { extensions: [''] },
      { extensions: ['a\nb'] },
    ])
      expect(() => formatCheckpoint({ ...head, ...wrong })).toThrow(code('tlog_argument'));
  });

  it('is the one of the log that was asked for', () => {
    const note = signCheckpoint({ size: 1, root }, signer);
    expect(openCheckpoint(note, signer.verifier)).toMatchObject({ origin: NAME, size: 1, root, extensions: [] });
    const tenant = signer.named('gravitas.example/audit/other');
    expect(() => openCheckpoint(note, tenant.verifier)).toThrow(code('tlog_origin'));
    // The same key under the other tenant's name, on this tenant's text: the signature is right, and says nothing.
    const { text } = parseNote(note);
    expect(openNote(signNote(text, [tenant]), [tenant.verifier]).verified).toHaveLength(1);
    expect(() => openCheckpoint(signNote(text, [tenant]), tenant.verifier)).toThrow(code('tlog_origin'));
    expect(() => openCheckpoint(signNote(text, [tenant]), signer.verifier)).toThrow(code('tlog_signature'));
  });

  it('that only witnesses have signed is not the log’s', () => {
    const note = signNote(formatCheckpoint({ origin: NAME, size: 1, root }), [witness]);
    expect(() => openCheckpoint(note, signer.verifier, [witness.verifier])).toThrow(/the log .* has not signed it/);
    expect(() => openCheckpoint(note, witness.verifier)).toThrow(code('tlog_argument'));
    expect(() => openCheckpoint(note, [])).toThrow(code('tlog_argument'));
    expect(() => openCheckpoint(note, [signer.verifier, other.verifier])).toThrow(code('tlog_argument'));
  });
});

describe('spellings', () => {
  it('of base64 and of numbers there is one', () => {
    expect(fromBase64('', 'x')).toHaveLength(0);
    for (const wrong of ['=', 'A', 'AA', 'AAA', 'AB==', 'AAA=\n', ' AAAA', 'AA-_', 'AA==AAAA'])
      expect(() => fromBase64(wrong, 'x')).toThrow(code('tlog_malformed'));
    expect(hashFromBase64(toBase64(root), 'x')).toEqual(root);
    expect(parseDecimal('0', 'x')).toBe(0);
    expect(parseDecimal(String(Number.MAX_SAFE_INTEGER), 'x')).toBe(Number.MAX_SAFE_INTEGER);
    for (const wrong of ['', '00', '1\n', '\u0661', '9007199254740992', 'NaN', '1_0'])
      expect(() => parseDecimal(wrong, 'x')).toThrow(code('tlog_malformed'));
  });
});
