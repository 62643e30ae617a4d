/** One line of a service's log, as far as the terminal wants to know it. Lines that are no pino JSON have no level. */
export interface LogLine {
  level: number | undefined;
  text: string;
}

export const WARN = 40;
const ERROR = 50;
export const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** Reads a pino line (https://getpino.io: numeric `level`, `msg`, `err`); anything else is passed through as it is. */
export function parseLogLine(line: string): LogLine {
  const record = asRecord(line);
  const level = record?.['level'];
  if (!record || typeof level !== 'number') return { level: undefined, text: line };
  const { msg, err, context } = record;
  const detail = messageOf(err);
  const message = typeof msg === 'string' ? msg : '';
  const text = detail === '' || message.includes(detail) ? message : `${message}${message && ': '}${detail}`;
  const where = typeof context === 'string' ? `[${context}] ` : '';
  return { level, text: `${where}${text}` };
}

/** What a service said last that may explain why it ended: its last error, else its last line that is no log record. */
export function explanation(lines: readonly LogLine[]): string | undefined {
  const worst = lines.findLast(({ level }) => level !== undefined && level >= ERROR);
  if (worst) return worst.text;
  // Of an uncaught exception the line with the error's name says more than the stack below it.
  const plain = lines.filter(({ level }) => level === undefined);
  return (plain.findLast(({ text }) => /^\w*Error\b/.test(text)) ?? plain.at(-1))?.text.trim();
}

function asRecord(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  if (typeof error === 'string') return error;
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return '';
}
