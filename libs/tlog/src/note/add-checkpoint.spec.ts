import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { leaves, naiveRoot, readerOf } from '../../test/support/trees.js';
import { consistencyProof } from '../merkle/proofs.js';
import { verifyConsistency } from '../merkle/verify.js';
import {
  addCosignatures,
  decodeAddCheckpoint,
  decodeWitnessAnswer,
  encodeAddCheckpoint,
  encodeCosignatures,
  MAX_PROOF_LINES,
  SIZE_MEDIA_TYPE,
} from './add-checkpoint.js';
import { toBase64 } from './base64.js';
import { openCheckpoint, signCheckpoint } from './checkpoint.js';
import { COSIGNATURE, NoteSigner } from './keys.js';
import { parseNote, type NoteSignature } from './signed-note.js';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const seed = (text: string): Buffer => createHash('sha256').update(text).digest();
const NOW = 1_790_000_000;
const log = new NoteSigner('gravitas.example/audit/default', seed('log'));
const witnessAt = (name: string, time = NOW) => new NoteSigner(name, seed(name), COSIGNATURE, () => time * 1000);
const [one, two, stranger] = [
  witnessAt('witness.example/1'),
  witnessAt('witness.example/2'),
  witnessAt('else.example'),
];

const all = leaves(300);
const checkpointOf = (size: number) => signCheckpoint({ size, root: naiveRoot(all.slice(0, size)) }, log);
const cosign = (checkpoint: string, signer: NoteSigner): NoteSignature => ({
  name: signer.name,
  keyId: signer.keyId,
  signature: signer.sign(parseNote(checkpoint).text),
});

describe('what a witness is asked', () => {
  it('can be checked by it', async () => {
    const sizes = fc.tuple(fc.nat(300), fc.nat(300)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    await fc.assert(
      fc.asyncProperty(sizes, async ([oldSize, size]) => {
        const proof = await consistencyProof(readerOf(all), oldSize, size);
        const request = { oldSize, proof, checkpoint: checkpointOf(size) };
        const body = encodeAddCheckpoint(request);
        const read = decodeAddCheckpoint(Buffer.from(body));
        expect({ ...read, proof: read.proof.map(toBase64) }).toEqual({ ...request, proof: proof.map(toBase64) });
        const { root } = openCheckpoint(read.checkpoint, log.verifier);
        verifyConsistency({ oldSize, oldRoot: naiveRoot(all.slice(0, oldSize)), size, root }, read.proof);
      }),
      { numRuns: 40 },
    );
  });

  it('has the lines of the specification', () => {
    const body = encodeAddCheckpoint({ oldSize: 2, proof: [all[0]!, all[1]!], checkpoint: checkpointOf(3) });
    expect(body).toBe(`old 2\n${toBase64(all[0]!)}\n${toBase64(all[1]!)}\n\n${checkpointOf(3)}`);
  });

  it('of another form is refused', () => {
    const checkpoint = checkpointOf(3);
    const hash = toBase64(all[0]!);
    for (const wrong of [
      '',
      'old 1\n',
      checkpoint,
      `old 1\n${checkpoint}`,
      `old\n\n${checkpoint}`,
      `old  1\n\n${checkpoint}`,
      `old 01\n\n${checkpoint}`,
      `old -1\n\n${checkpoint}`,
      `OLD 1\n\n${checkpoint}`,
      `old 1\n${hash}x\n\n${checkpoint}`,
      `old 1\n${hash.slice(4)}\n\n${checkpoint}`,
      `old 1\n\n`,
      `old 1\n${hash}\n\nnot a checkpoint\n`,
      `old 1\r\n\r\n${checkpoint}`,
    ])
      expect(() => decodeAddCheckpoint(wrong)).toThrow(code('tlog_malformed'));
    const many = `old 1\n${`${hash}\n`.repeat(MAX_PROOF_LINES + 1)}\n${checkpoint}`;
    expect(() => decodeAddCheckpoint(many)).toThrow(code('tlog_too_large'));
    expect(() => decodeAddCheckpoint(Buffer.alloc(2_000_000))).toThrow(code('tlog_too_large'));
    expect(() => encodeAddCheckpoint({ oldSize: 4, proof: [], checkpoint })).toThrow(code('tlog_argument'));
    const proof = Array.from({ length: MAX_PROOF_LINES + 1 }, () => all[0]!);
    expect(() => encodeAddCheckpoint({ oldSize: 1, proof, checkpoint })).toThrow(code('tlog_argument'));
  });
});

describe('what a witness answers', () => {
  const checkpoint = checkpointOf(3);

  it('with 200 is its cosignature', () => {
    const signatures = [cosign(checkpoint, one), cosign(checkpoint, two)];
    const answer = decodeWitnessAnswer(200, 'text/plain', Buffer.from(encodeCosignatures(signatures)));
    expect(answer).toEqual({ kind: 'cosigned', signatures });
    for (const body of ['', '\n', 'hello\n', `${checkpoint}\n`])
      expect(() => decodeWitnessAnswer(200, null, body)).toThrow(code('tlog_malformed'));
    expect(() => encodeCosignatures([])).toThrow(code('tlog_argument'));
  });

  it('with 409 is its size, or that there is a fork', () => {
    expect(decodeWitnessAnswer(409, SIZE_MEDIA_TYPE, '20852163\n')).toEqual({ kind: 'conflict', size: 20_852_163 });
    expect(decodeWitnessAnswer(409, 'Text/X.tlog.size; charset=utf-8', '0\n')).toEqual({ kind: 'conflict', size: 0 });
    for (const type of [null, undefined, 'text/plain'])
      expect(decodeWitnessAnswer(409, type, 'whatever')).toEqual({ kind: 'conflict', size: null });
    for (const body of ['', '1', '1\n\n', '01\n', 'x\n', '-1\n'])
      expect(() => decodeWitnessAnswer(409, SIZE_MEDIA_TYPE, body)).toThrow(code('tlog_malformed'));
  });

  it('with anything else is a refusal, or nothing that is known', () => {
    const reasons = { 400: 'request_wrong', 403: 'key_unknown', 404: 'log_unknown', 422: 'proof_wrong' };
    for (const [status, reason] of Object.entries(reasons))
      expect(decodeWitnessAnswer(Number(status), null, 'whatever')).toEqual({ kind: 'refused', reason });
    for (const status of [201, 302, 429, 500, 503])
      expect(decodeWitnessAnswer(status, null, Buffer.alloc(0))).toEqual({ kind: 'failed', status });
  });
});

describe('cosignatures', () => {
  const checkpoint = checkpointOf(3);
  const witnesses = [one.verifier, two.verifier];

  it('of known witnesses are kept with the checkpoint, the latest of each', () => {
    const first = addCosignatures(checkpoint, [cosign(checkpoint, one), cosign(checkpoint, stranger)], witnesses, NOW);
    expect(first.startsWith(checkpoint)).toBe(true);
    const again = witnessAt(one.name, NOW + 60);
    const both = addCosignatures(first, [cosign(checkpoint, again), cosign(checkpoint, two)], witnesses, NOW + 60);
    const { note } = openCheckpoint(both, log.verifier, witnesses);
    expect(note.verified.map(({ name, time }) => [name, time])).toEqual([
      [log.name, undefined],
      [one.name, NOW + 60],
      [two.name, NOW],
    ]);
    expect(note.unknown).toEqual([]);
  });

  it('that are wrong, of the future or of nobody known are refused', () => {
    const wrong = [
      [{ ...cosign(checkpoint, one), signature: Buffer.alloc(72, 1) }],
      [cosign(checkpointOf(4), one)],
      [cosign(checkpoint, witnessAt(one.name, NOW + 301))],
      [cosign(checkpoint, stranger)],
      [],
    ];
    for (const signatures of wrong)
      expect(() => addCosignatures(checkpoint, signatures, witnesses, NOW)).toThrow(code('tlog_signature'));
    const plain = new NoteSigner(one.name, seed(one.name));
    expect(() => addCosignatures(checkpoint, [cosign(checkpoint, plain)], [plain.verifier], NOW)).toThrow(
      code('tlog_signature'),
    );
  });
});
