import { setTimeout as sleep } from 'node:timers/promises';
import { eventProof, logKey, type AuditEvent } from '#contracts';
import { NoteVerifier, verifyEventProof } from '#tlog';
import { type StackAccess } from './stack-access.js';

const TRIES = 20;
const PAUSE_MS = 500;

/**
 * Verifies each event as an outsider would: with its proof and the log's public key, and nothing else.
 *
 * @returns the key
 * @throws Error when there is no proof of one, or it does not hold
 */
export async function proveAll(stack: StackAccess, events: readonly AuditEvent[]): Promise<string> {
  const log = `${stack.gatekeeper}/v1/audit`;
  const { verifier_key: key } = logKey.parse(await stack.asSupervisor('GET', `${log}/key`, 'demo-key'));
  const verifier = NoteVerifier.parse(key);
  for (const { id } of events) {
    const proof = await patiently(() => stack.asSupervisor('GET', `${log}/proof/${id}`, 'demo-proving'));
    const proven = verifyEventProof(eventProof.parse(proof), verifier);
    if (proven.event.id !== id) throw new Error(`the proof of event ${id} is that of ${proven.event.id}`);
  }
  return key;
}

/** An event is in the log a second or so after it is in the trail. */
async function patiently(ask: () => Promise<unknown>): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (tries === TRIES) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
