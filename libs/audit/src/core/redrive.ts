import { type DeadLetters } from './dead-letters.js';
import { SinkRejectedError } from './errors.js';
import { type DeadLetter } from './letter-line.js';
import { type AuditSink } from './sink.js';

export interface Redriven {
  /** Letters that are in the trail now, and are no dead letters any more. */
  delivered: number;
  /** Of these, those that were in the trail before. */
  duplicates: number;
  /** Letters that are still refused, with the reason of now. */
  refused: { id: string; reason: string }[];
  /** Lines that were no letters; they are in the folder `damaged`. */
  damaged: number;
}

/** How many events go to the sink in one piece. */
const BATCH_SIZE = 500;

/**
 * Hands all dead letters to a sink once more. A batch that is refused is halved until the letters at fault stand alone; these go back
 * with the new reason. Can be interrupted anywhere, and run while a logger adds letters.
 *
 * @throws what the sink throws when it does not answer; no letter is lost, and the next re-drive begins again
 */
export async function redrive(deadLetters: DeadLetters, sink: Pick<AuditSink, 'write'>): Promise<Redriven> {
  const result: Redriven = { delivered: 0, duplicates: 0, refused: [], damaged: 0 };
  const batch = await deadLetters.take();
  for await (const letters of batch.letters()) {
    for (let from = 0; from < letters.length; from += BATCH_SIZE) {
      const refused = await send(letters.slice(from, from + BATCH_SIZE), sink, result);
      await batch.putBack(refused);
      for (const { event, reason } of refused) result.refused.push({ id: event.id, reason });
    }
  }
  await batch.done();
  return { ...result, damaged: batch.damaged };
}

/** @returns the letters that are refused */
async function send(
  letters: readonly DeadLetter[],
  sink: Pick<AuditSink, 'write'>,
  result: Redriven,
): Promise<DeadLetter[]> {
  if (letters.length === 0) return [];
  try {
    const { duplicates } = await sink.write(letters.map(({ event }) => event));
    result.delivered += letters.length;
    result.duplicates += duplicates;
    return [];
  } catch (error) {
    if (!(error instanceof SinkRejectedError)) throw error;
    if (letters.length === 1) return [{ event: letters[0]!.event, reason: error.message }];
  }
  const middle = letters.length >> 1;
  const first = await send(letters.slice(0, middle), sink, result);
  return [...first, ...(await send(letters.slice(middle), sink, result))];
}
