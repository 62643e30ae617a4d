import { setTimeout as sleep } from 'node:timers/promises';
import { auditPage, type AuditEvent } from '#contracts';
import { type StackAccess } from './stack-access.js';
import { type ExpectedEvent } from './steps.js';

const WAIT_MS = 10_000;
const POLL_MS = 100;

export interface Told {
  requestId: string;
  expected: ExpectedEvent[];
}

/**
 * The demo's part of the audit trail, oldest first, once everything expected is in it: the services send their events a moment
 * after they happen.
 *
 * @throws Error naming what is missing after ten seconds
 */
export async function readTrail(stack: StackAccess, since: string, told: readonly Told[]): Promise<AuditEvent[]> {
  const ids = new Set(told.map(({ requestId }) => requestId));
  for (const deadline = Date.now() + WAIT_MS; ;) {
    const query = new URLSearchParams({ from: since, limit: '1000' }).toString();
    const page = await stack.asSupervisor('GET', `${stack.gatekeeper}/v1/audit/events?${query}`, 'demo-reading');
    const events = auditPage.parse(page).events.filter(({ request_id }) => request_id !== null && ids.has(request_id));
    const missing = told.flatMap((step) => missingOf(step, events));
    if (missing.length === 0) return events.reverse();
    if (Date.now() > deadline) throw new Error(`the audit trail lacks: ${missing.join('; ')}`);
    await sleep(POLL_MS);
  }
}

function missingOf({ requestId, expected }: Told, events: readonly AuditEvent[]): string[] {
  return expected
    .filter(
      ({ ghost, action, result }) =>
        !events.some(
          (event) =>
            event.request_id === requestId &&
            event.ghost_id === ghost &&
            event.action === action &&
            event.result === result,
        ),
    )
    .map(({ ghost, action, result }) => `${ghost ?? 'nobody'} ${action} ${result} (request ${requestId})`);
}

/** Columns as wide as they need to be; texts that are too long for a terminal are cut. */
export function trailTable(events: readonly AuditEvent[]): string {
  const header = ['time', 'service', 'ghost', 'action', 'resource', 'result', 'reason'];
  const rows = events.map((event) => [
    event.timestamp.slice(11, 23),
    event.service,
    event.ghost_id ?? '-',
    event.action,
    cut(event.resource, 34),
    event.result,
    cut(event.reason, 48),
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  return [header, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
