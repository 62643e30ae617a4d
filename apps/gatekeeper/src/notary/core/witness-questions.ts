import { errorMessage } from '#errors';
import {
  addCosignatures,
  consistencyProof,
  encodeAddCheckpoint,
  formatSignature,
  parseNote,
  TileHashReader,
  TlogError,
  type NoteSignature,
  type NoteVerifier,
  type TileSource,
  type WitnessAnswer,
} from '#tlog';

/** What a witness is asked about: a checkpoint, and the size up to which it is thought to have come. */
export interface Question {
  size: number;
  checkpoint: string;
  oldSize: number;
}

/**
 * `disagrees`: what the witness has seen is not the beginning of this log, which was rolled back or forked, unless the witness lies.
 * `refused`: it does not want to. `wrong`: its answer cannot be believed. `unreachable`: it does not answer. `unproven`: it was not even
 * asked, for the log's own tiles make no proof.
 */
export type Outcome =
  | { kind: 'cosigned'; line: string }
  | { kind: 'disagrees' | 'refused' | 'wrong' | 'unreachable' | 'unproven'; problem: string };

export type AddCheckpointCall = (body: string) => Promise<WitnessAnswer>;

const REFUSALS = {
  key_unknown: 'does not know the key of the log',
  log_unknown: 'does not know the log',
  request_wrong: 'does not understand the request',
} as const;

const MAX_PROBLEM = 500;

/** Asks once; again when the witness says that it has come to another size than was thought. Never throws. */
export async function ask(
  question: Question,
  tiles: TileSource,
  witness: NoteVerifier,
  call: AddCheckpointCall,
): Promise<Outcome> {
  const first = await attempt(question, tiles, witness, call);
  if (typeof first !== 'number') return first;
  const second = await attempt({ ...question, oldSize: first }, tiles, witness, call);
  if (typeof second !== 'number') return second;
  return { kind: 'wrong', problem: `the witness has ${first} leaves, and then ${second}` };
}

/** @returns a number where the witness has come to that size */
async function attempt(
  question: Question,
  tiles: TileSource,
  witness: NoteVerifier,
  call: AddCheckpointCall,
): Promise<Outcome | number> {
  const { size, checkpoint, oldSize } = question;
  if (oldSize > size)
    return {
      kind: 'disagrees',
      problem: `the witness has seen ${oldSize} leaves, and the log has ${size}: it was rolled back`,
    };
  let body: string;
  try {
    const proof = await consistencyProof(new TileHashReader(size, tiles), oldSize, size);
    body = encodeAddCheckpoint({ oldSize, proof, checkpoint });
  } catch (error) {
    return failure('unproven', 'the log makes no proof', error);
  }
  try {
    return outcomeOf(question, witness, await call(body));
  } catch (error) {
    return error instanceof TlogError
      ? failure('wrong', 'its answer is wrong', error)
      : failure('unreachable', 'no answer', error);
  }
}

function failure(kind: 'unproven' | 'wrong' | 'unreachable', what: string, error: unknown): Outcome {
  return { kind, problem: `${what}: ${errorMessage(error)}`.slice(0, MAX_PROBLEM) };
}

/** @throws TlogError when the cosignature is wrong */
function outcomeOf(
  { size, checkpoint, oldSize }: Question,
  witness: NoteVerifier,
  answer: WitnessAnswer,
): Outcome | number {
  switch (answer.kind) {
    case 'cosigned':
      return { kind: 'cosigned', line: lineOf(checkpoint, answer.signatures, witness) };
    case 'conflict':
      if (answer.size !== null) return answer.size;
      return { kind: 'disagrees', problem: `the witness has another tree of ${size} leaves: the log was forked` };
    case 'refused':
      if (answer.reason === 'proof_wrong')
        return { kind: 'disagrees', problem: `the witness has seen another beginning of ${oldSize} leaves` };
      return { kind: 'refused', problem: `the witness ${REFUSALS[answer.reason]}` };
    case 'failed':
      return { kind: 'unreachable', problem: `answered with status ${answer.status}` };
  }
}

/** @throws TlogError when the cosignature is wrong, or not there */
function lineOf(checkpoint: string, signatures: readonly NoteSignature[], witness: NoteVerifier): string {
  const note = addCosignatures(checkpoint, signatures, [witness], Date.now() / 1000);
  const own = parseNote(note).signatures.findLast(
    ({ name, keyId }) => name === witness.name && keyId === witness.keyId,
  );
  return formatSignature(own!);
}
