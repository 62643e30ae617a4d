/**
 * In the entry bundles of an export, what stands for an event that was dropped after its month was sealed: `{"sealed":"2026-10"}`. An event
 * has other members, so neither can be taken for the other.
 */
export function sealedEntry(month: string): Buffer {
  return Buffer.from(JSON.stringify({ sealed: month }));
}

const SEALED = /^\{"sealed":"(\d{4}-\d\d)"\}$/;
const SEALED_BYTES = 20;

export function sealedMonthOf(entry: Uint8Array): string | undefined {
  if (entry.length !== SEALED_BYTES) return undefined;
  return SEALED.exec(Buffer.from(entry).toString('latin1'))?.[1];
}

/** The end of a canonical event: `"timestamp":"2026-11-21T07:00:00.000000Z"}`. */
const TIME = /^"timestamp":"(\d{4}-\d\d)-\d\dT[\d:.]{15}Z"\}$/;
const TIME_BYTES = 42;

/** The month of the event that the entry is; undefined for the digest of one that was too large. */
export function timeMonthOf(entry: Uint8Array): string | undefined {
  const end = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).toString(
    'latin1',
    Math.max(0, entry.length - TIME_BYTES),
  );
  return TIME.exec(end)?.[1];
}
