import { DeadLetters, redrive, type AuditSink, type Redriven } from '#audit';
import { errorMessage } from '#errors';

/** A directory with dead letters, and who delivers them. */
export interface LetterBox {
  /** Whose letters they are, for the person who reads this. */
  name: string;
  directory: string;
  sink: AuditSink;
}

export const GONE = 0;
export const SOME_STAY = 1;
export const CANNOT_TELL = 2;

/** Of the ids that share a reason. */
const NAMED_IDS = 5;

/**
 * Sends the dead letters of each box once more and says what became of them.
 *
 * @returns 0 when there are none left, 1 when some stay, 2 when the gatekeeper did not answer
 */
export async function redriveAll(boxes: readonly LetterBox[], say: (line: string) => void): Promise<number> {
  let code = GONE;
  for (const { name, directory, sink } of boxes) {
    try {
      const result = await redrive(new DeadLetters(directory), sink);
      for (const line of told(result, directory)) say(`${name}: ${line}`);
      if (result.refused.length + result.damaged > 0) code = Math.max(code, SOME_STAY);
    } catch (error) {
      const left = await countOf(directory);
      say(`${name}: ${errorMessage(error)}`);
      say(`${name}: nothing is lost; ${left} wait in ${directory} for the next time`);
      code = CANNOT_TELL;
    }
  }
  return code;
}

/** Says which dead letters there are, and changes nothing. @returns 0 when there are none, 1 when there are some */
export async function listAll(boxes: readonly Omit<LetterBox, 'sink'>[], say: (line: string) => void): Promise<number> {
  let code = GONE;
  for (const { name, directory } of boxes) {
    let count = 0;
    for await (const letters of new DeadLetters(directory).read()) {
      count += letters.length;
      for (const { event, reason } of letters)
        say(`${name}: ${event.id} ${event.timestamp} ${event.action}: ${reason}`);
    }
    say(`${name}: ${count === 0 ? 'no dead letters' : `${count} dead letters in ${directory}`}`);
    if (count > 0) code = SOME_STAY;
  }
  return code;
}

function told({ delivered, duplicates, refused, damaged }: Redriven, directory: string): string[] {
  if (delivered + refused.length + damaged === 0) return ['no dead letters'];
  const known = duplicates > 0 ? ` (${duplicates} of them were there before)` : '';
  const lines = [`${delivered} delivered${known}`];
  for (const [reason, ids] of byReason(refused)) {
    const named = ids.slice(0, NAMED_IDS).join(', ');
    lines.push(`${ids.length} stay: ${reason} (${named}${ids.length > NAMED_IDS ? ', ...' : ''})`);
  }
  if (damaged > 0) lines.push(`${damaged} damaged lines are no events; they are kept in ${directory}/damaged`);
  return lines;
}

function byReason(refused: Redriven['refused']): Map<string, string[]> {
  const reasons = new Map<string, string[]>();
  for (const { id, reason } of refused) {
    const ids = reasons.get(reason);
    if (ids) ids.push(id);
    else reasons.set(reason, [id]);
  }
  return reasons;
}

async function countOf(directory: string): Promise<string> {
  const count = await new DeadLetters(directory).count().catch(() => undefined);
  return count === undefined ? 'what there is' : `${count} dead letters`;
}
