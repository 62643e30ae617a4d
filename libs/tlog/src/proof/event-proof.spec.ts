import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { auditEvent, eventProof as eventProofSchema, type AuditEvent, type EventProof } from '#contracts';
import { signerOf } from '../../test/support/kept-log.js';
import { naiveRoot, readerOf } from '../../test/support/trees.js';
import { canonicalEvent } from '../event/canonical-event.js';
import { leafEntry } from '../event/leaf-entry.js';
import { leafHash } from '../merkle/hashing.js';
import { inclusionProof } from '../merkle/proofs.js';
import { COSIGNATURE, NoteSigner } from '../note/keys.js';
import { signCheckpoint } from '../note/checkpoint.js';
import { parseNote, signNote } from '../note/signed-note.js';
import { eventProof, eventProofText, parseEventProofText, verifyEventProof } from './event-proof.js';
import { formatTlogProof, MAX_INCLUSION_HASHES, parseTlogProof } from './tlog-proof.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const SIZE = 50;
const events: AuditEvent[] = Array.from({ length: SIZE }, (_, index) =>
  auditEvent.parse({
    id: randomUUID(),
    timestamp: new Date(1_790_000_000_000 + index).toISOString(),
    service: 'test',
    action: 'test',
    resource: `thing/${index}`,
    result: 'SUCCEEDED',
    // Some leaves are digests.
    metadata: { index, long: index % 7 === 0 ? '漢'.repeat(25_000) : '' },
    sequence: index + 1,
  }),
);
const hashes = events.map((event) => leafHash(leafEntry(canonicalEvent(event))));
const signer = signerOf('default');
const checkpoint = signCheckpoint({ size: SIZE, root: naiveRoot(hashes) }, signer);
const proofOf = async (index: number): Promise<EventProof> =>
  eventProof(events[index]!, { index, proof: await inclusionProof(readerOf(hashes), index, SIZE), checkpoint });

describe('the proof of an event', () => {
  it('can be verified alone, as JSON and as text', async () => {
    for (let index = 0; index < SIZE; index++) {
      const proof = eventProofSchema.parse(JSON.parse(JSON.stringify(await proofOf(index))));
      expect(verifyEventProof(proof, signer.verifier)).toMatchObject({
        event: events[index],
        index,
        checkpoint: { size: SIZE },
      });
      const read = parseEventProofText(Buffer.from(eventProofText(proof)));
      expect(verifyEventProof(read, signer.verifier)).toMatchObject({ index });
      expect(canonicalEvent(read.event)).toBe(canonicalEvent(events[index]!));
    }
  });

  it('does not hold when any part of it is another', async () => {
    const index = fc.nat(SIZE - 1);
    await fc.assert(
      fc.asyncProperty(index, index, async (index, another) => {
        fc.pre(index !== another);
        const [proof, other] = await Promise.all([proofOf(index), proofOf(another)]);
        for (const change of [
          { event: other.event },
          { event: { ...proof.event, reason: 'no reason' } },
          { event: { ...proof.event, metadata: { ...proof.event.metadata, more: 1 } } },
          { index: another },
          { inclusion_proof: other.inclusion_proof },
          { inclusion_proof: proof.inclusion_proof.slice(1) },
        ])
          expect(() => verifyEventProof({ ...proof, ...change }, signer.verifier)).toThrow(code('tlog_proof'));
      }),
      { numRuns: 30 },
    );
  });

  it('has no member that no leaf holds', async () => {
    const proof = await proofOf(1);
    const event = { ...proof.event, approved_by: 'somebody' };
    expect(() => verifyEventProof({ ...proof, event }, signer.verifier)).toThrow(/no leaf holds: approved_by/);
  });

  it('is of the log that was asked for, and of its key', async () => {
    const proof = await proofOf(1);
    expect(() => verifyEventProof(proof, signerOf('another').verifier)).toThrow(code('tlog_origin'));
    expect(() => verifyEventProof(proof, signerOf('default', 'another key').verifier)).toThrow(code('tlog_signature'));
    const forged = signCheckpoint({ size: SIZE, root: naiveRoot(hashes) }, signerOf('default', 'another key'));
    expect(() => verifyEventProof({ ...proof, checkpoint: forged }, signer.verifier)).toThrow(code('tlog_signature'));
  });

  it('tells which witnesses have seen its log', async () => {
    const witness = new NoteSigner('witness.example/w1', Buffer.alloc(32, 1), COSIGNATURE, () => 1_790_000_000_000);
    const { text, signatures } = parseNote(checkpoint);
    const proof = { ...(await proofOf(3)), checkpoint: signNote(text, [witness], signatures) };
    const { note } = verifyEventProof(proof, signer.verifier, [witness.verifier]).checkpoint;
    expect(note.verified.map(({ name, time }) => [name, time])).toEqual([
      [signer.name, undefined],
      [witness.name, 1_790_000_000],
    ]);
  });

  it('of another form is refused', async () => {
    const proof = await proofOf(8);
    const refused = (change: Partial<EventProof>) =>
      expect(() => verifyEventProof({ ...proof, ...change }, signer.verifier)).toThrow(code('tlog_malformed'));
    refused({ inclusion_proof: Array<string>(64).fill(proof.inclusion_proof[0]!) });
    refused({ inclusion_proof: ['AAAA'] });
    refused({ checkpoint: 'hello' });
    refused({ event: null as unknown as AuditEvent });
    refused({ inclusion_proof: 'AAAA' as unknown as string[] });
    refused({ inclusion_proof: [1] as unknown as string[] });
    refused({ checkpoint: { text: '' } as unknown as string });
    for (const index of [-1, 0.5, SIZE])
      expect(() => verifyEventProof({ ...proof, index }, signer.verifier)).toThrow(code('tlog_argument'));

    const text = eventProofText(proof);
    const extra = /^extra (.*)$/m.exec(text)![1]!;
    const again = (event: unknown) => text.replace(extra, Buffer.from(JSON.stringify(event)).toString('base64'));
    for (const wrong of [
      text.replace(/^extra .*\n/m, ''),
      text.replace(extra, Buffer.from('not JSON').toString('base64')),
      again(null),
      again([]),
      again({ ...proof.event, reason: '' }),
    ])
      expect(() => parseEventProofText(wrong)).toThrow(expect.objectContaining({ name: 'TlogError' }));
  });
});

describe('a proof as text', () => {
  const proof = hashes.slice(0, 3);

  it('is read back as what it was', () => {
    const extra = fc.option(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      { nil: undefined },
    );
    fc.assert(
      fc.property(extra, fc.maxSafeNat(), fc.nat(MAX_INCLUSION_HASHES), (extra, index, count) => {
        const written = { index, proof: hashes.concat(hashes).slice(0, count), checkpoint, ...(extra && { extra }) };
        expect(parseTlogProof(formatTlogProof(written))).toEqual(written);
      }),
    );
  });

  it('of another form is refused', () => {
    const text = formatTlogProof({ index: 1, proof, checkpoint, extra: Buffer.from('x') });
    for (const wrong of [
      '',
      checkpoint,
      text.slice(1),
      text.replace('@v1', '@v2'),
      text.replace('index 1', 'index 01'),
      text.replace('index 1', 'index -1'),
      text.replace('index 1', 'index 99999999999999999999'),
      text.replace('index 1\n', ''),
      text.replace('extra ', 'extra'),
      text.replace('extra eA==', 'extra eB=='),
      text.replace(/extra .*\n/, '$&$&'),
      text.replace('\n\n', '\n'),
      text.replaceAll('\n', '\r\n'),
      text.slice(0, text.indexOf('\n\n') + 2),
    ])
      expect(() => parseTlogProof(wrong)).toThrow(code('tlog_malformed'));
    const line = `${text.split('\n')[3]}\n`;
    expect(() => parseTlogProof(text.replace(line, line.repeat(MAX_INCLUSION_HASHES + 1)))).toThrow(
      code('tlog_too_large'),
    );
    expect(() => parseTlogProof(Buffer.alloc(1_000_001))).toThrow(code('tlog_too_large'));
    expect(() => formatTlogProof({ index: -1, proof, checkpoint })).toThrow(code('tlog_argument'));
    expect(() => formatTlogProof({ index: 1, proof: Array(64).fill(proof[0]), checkpoint })).toThrow(
      code('tlog_argument'),
    );
  });
});
