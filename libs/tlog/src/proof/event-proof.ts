import { type AuditEvent, type EventProof } from '#contracts';
import { malformed } from '../errors.js';
import { canonicalEvent } from '../event/canonical-event.js';
import { parseStoredJson } from '../event/stored-json.js';
import { leafEntry } from '../event/leaf-entry.js';
import { leafHash } from '../merkle/hashing.js';
import { verifyInclusion } from '../merkle/verify.js';
import { hashFromBase64, toBase64 } from '../note/base64.js';
import { openCheckpoint, type OpenedCheckpoint } from '../note/checkpoint.js';
import { type NoteVerifier } from '../note/keys.js';
import { formatTlogProof, MAX_INCLUSION_HASHES, parseTlogProof, type TlogProof } from './tlog-proof.js';

export interface ProvenEvent {
  event: AuditEvent;
  index: number;
  checkpoint: OpenedCheckpoint;
}

const MEMBERS: ReadonlySet<string> = new Set<keyof AuditEvent>([
  'action',
  'entities',
  'ghost_id',
  'id',
  'metadata',
  'producer',
  'reason',
  'request_id',
  'resource',
  'result',
  'sequence',
  'service',
  'session_id',
  'shell_id',
  'tenant_id',
  'timestamp',
]);

export function eventProof(event: AuditEvent, { index, proof, checkpoint }: TlogProof): EventProof {
  return { event, index, inclusion_proof: proof.map(toBase64), checkpoint };
}

/** The same proof as C2SP tlog-proof has it, with the event's canonical form as `extra`: as much to be verified alone. */
export function eventProofText({ event, index, inclusion_proof, checkpoint }: EventProof): string {
  return formatTlogProof({
    index,
    proof: hashesOf(inclusion_proof),
    checkpoint,
    extra: Buffer.from(canonicalEvent(event)),
  });
}

/** Nothing of it is verified. @throws TlogError tlog_malformed, tlog_too_large */
export function parseEventProofText(text: Uint8Array | string): EventProof {
  const proof = parseTlogProof(text);
  if (!proof.extra) throw malformed('tlog-proof: has no event as extra data');
  return eventProof(parseEvent(proof.extra), proof);
}

/**
 * Returns when the event, each member of it, is in the log.
 *
 * @param proof as the service answered it, or `parseEventProofText` read it; its form need not have been checked
 * @param log the key of the tenant's log, by the name of its origin
 * @throws TlogError tlog_malformed, tlog_argument, tlog_signature, tlog_origin; tlog_proof when the event is another one
 */
export function verifyEventProof(
  { event, index, inclusion_proof, checkpoint }: EventProof,
  log: NoteVerifier | readonly NoteVerifier[],
  witnesses: readonly NoteVerifier[] = [],
): ProvenEvent {
  if (typeof event !== 'object' || event === null) throw malformed('event: expected an object');
  const unproven = Object.keys(event).find((member) => !MEMBERS.has(member));
  if (unproven !== undefined) throw malformed(`event: a member that no leaf holds: ${unproven.slice(0, 100)}`);
  const opened = openCheckpoint(checkpoint, log, witnesses);
  const leaf = leafHash(leafEntry(canonicalEvent(event)));
  verifyInclusion({ index, size: opened.size, leafHash: leaf, root: opened.root }, hashesOf(inclusion_proof));
  return { event, index, checkpoint: opened };
}

function hashesOf(texts: string[]) {
  if (!Array.isArray(texts) || texts.length > MAX_INCLUSION_HASHES)
    throw malformed(`inclusion proof: expected at most ${MAX_INCLUSION_HASHES} hashes`);
  return texts.map((text) => hashFromBase64(text, 'inclusion proof'));
}

/** Only the canonical form itself: what else says the same could have been touched on the way. */
function parseEvent(bytes: Uint8Array): AuditEvent {
  const text = Buffer.from(bytes).toString();
  const event = parseStoredJson(text);
  if (typeof event !== 'object' || event === null || canonicalEvent(event as AuditEvent) !== text)
    throw malformed('tlog-proof: the event is not in its canonical form');
  return event as AuditEvent;
}
