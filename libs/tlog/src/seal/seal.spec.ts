import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { signerOf } from '../../test/support/kept-log.js';
import { leaves, naiveRoot } from '../../test/support/trees.js';
import { openCheckpoint, signCheckpoint } from '../note/checkpoint.js';
import { parseNote, signNote } from '../note/signed-note.js';
import { openSeal, signSeal } from './seal.js';
import { SealDigest } from './seal-digest.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const hashes = leaves(10);
const signer = signerOf('default');
const digest = new SealDigest();
for (const index of [2, 3, 7]) digest.add(index, hashes[index]!);
const SEAL = { month: '2026-10', leaves: digest.count, digest: digest.digest(), size: 10, root: naiveRoot(hashes) };

describe('a seal', () => {
  it('is read back as what it was, by who knows the key', () => {
    const note = signSeal(SEAL, signer);
    expect(openSeal(note, signer.verifier)).toEqual({ origin: signer.name, ...SEAL });
    expect(openSeal(Buffer.from(note), [signer.verifier])).toEqual({ origin: signer.name, ...SEAL });
    expect(() => openSeal(note, signerOf('another').verifier)).toThrow(code('tlog_origin'));
    expect(() => openSeal(note, [])).toThrow(code('tlog_origin'));
    expect(() => openSeal(note, signerOf('default', 'another key').verifier)).toThrow(code('tlog_signature'));
  });

  it('is no checkpoint, and no checkpoint is a seal', () => {
    const note = signSeal(SEAL, signer);
    expect(() => openCheckpoint(note, signer.verifier)).toThrow(code('tlog_malformed'));
    const checkpoint = signCheckpoint({ size: 10, root: SEAL.root }, signer);
    expect(() => openSeal(checkpoint, signer.verifier)).toThrow(code('tlog_malformed'));
  });

  it('of another form is refused', () => {
    const { text } = parseNote(signSeal(SEAL, signer));
    for (const wrong of [
      text.replace('v1', 'v2'),
      text.replace('2026-10', '2026-13'),
      text.replace('2026-10', '2026-1'),
      text.replace('leaves 3', 'leaves 03'),
      text.replace('leaves 3', 'leaves 11'),
      text.replace(/^digest .*$/m, 'digest AAAA'),
      text.replace(/^root .*\n/m, ''),
      text.replace(/^(size .*\n)(root .*\n)/m, '$2$1'),
      `${text}more\n`,
      text.replace(/^.*\n/, '\n'),
      '\n',
    ])
      expect(() => openSeal(signNote(wrong, [signer]), signer.verifier)).toThrow(code('tlog_malformed'));
    for (const change of [
      { month: '26-10' },
      { leaves: 11 },
      { size: -1 },
      { root: Buffer.alloc(31) },
      { digest: Buffer.alloc(0) },
    ])
      expect(() => signSeal({ ...SEAL, ...change }, signer)).toThrow(code('tlog_argument'));
  });

  it('has the digest of each leaf and its place', () => {
    const bytes = [2, 3, 7].map((index) => {
      const place = Buffer.alloc(8);
      place.writeBigUInt64BE(BigInt(index));
      return Buffer.concat([place, hashes[index]!]);
    });
    expect(SEAL.digest).toEqual(createHash('sha256').update(Buffer.concat(bytes)).digest());
    expect(digest.first).toBe(2);
    expect(() => digest.add(7, hashes[7]!)).toThrow(code('tlog_argument'));
    expect(() => digest.add(8, Buffer.alloc(31))).toThrow(code('tlog_argument'));
    expect(new SealDigest().digest()).toEqual(createHash('sha256').digest());
  });
});
