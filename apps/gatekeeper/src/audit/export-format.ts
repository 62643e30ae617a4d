import { type AUDIT_EXPORT_FORMATS, type AuditEvent } from '#contracts';

export type ExportFormat = (typeof AUDIT_EXPORT_FORMATS)[number];

export const EXPORT_MEDIA_TYPES: Record<ExportFormat, string> = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

const COLUMNS = [
  'id',
  'tenant_id',
  'timestamp',
  'service',
  'ghost_id',
  'shell_id',
  'action',
  'resource',
  'result',
  'reason',
  'request_id',
  'session_id',
  'entities',
  'metadata',
  'producer',
  'sequence',
] as const satisfies (keyof AuditEvent)[];

/** What a spreadsheet takes for the beginning of a formula, also as a wide character. Source: OWASP, "CSV Injection". */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** A text for each batch of events; CSV with its header first, also when there are none. */
export async function* exportText(
  batches: AsyncIterable<readonly AuditEvent[]>,
  format: ExportFormat,
): AsyncGenerator<string, void, void> {
  if (format === 'csv') yield line(COLUMNS);
  for await (const events of batches)
    yield events.map((event) => (format === 'csv' ? csvLine(event) : `${JSON.stringify(event)}\n`)).join('');
}

/** Columns in the order of the header; what is no text is JSON, null is empty. Source: RFC 4180. */
export function csvLine(event: AuditEvent): string {
  return line(
    COLUMNS.map((column) => {
      const value = event[column];
      if (value === null) return '';
      return typeof value === 'string' ? value : JSON.stringify(value);
    }),
  );
}

function line(fields: readonly string[]): string {
  return `${fields.map(field).join(',')}\r\n`;
}

/** An apostrophe makes a formula a text; readers of CSV that are no spreadsheet see it. */
function field(text: string): string {
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
