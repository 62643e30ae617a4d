/** What a recorder says on its pipe, a line each. */
export type Report =
  | { kind: 'opening' }
  /** Its logger is open, and has found `left` events of earlier runs in the spool. */
  | { kind: 'open'; left: number }
  /** It was told that this event is durable. */
  | ({ kind: 'acknowledged' } & Acknowledged);

export interface Acknowledged {
  id: string;
  timestamp: string;
  sequence: number;
}

export function reportLine(report: Report): string {
  switch (report.kind) {
    case 'opening':
      return 'opening\n';
    case 'open':
      return `open ${report.left}\n`;
    case 'acknowledged':
      return `${report.id} ${report.timestamp} ${report.sequence}\n`;
  }
}

/** Puts the lines together from the pieces that arrive. A last line that a kill has torn has no end, and is nobody's report. */
export class ReportReader {
  private rest = '';

  /** The reports that this piece completes. @throws Error when a whole line is none */
  read(piece: string): Report[] {
    const lines = (this.rest + piece).split('\n');
    this.rest = lines.pop() ?? '';
    return lines.map(parse);
  }
}

function parse(line: string): Report {
  const [first = '', second, third] = line.split(' ');
  if (line === 'opening') return { kind: 'opening' };
  if (first === 'open' && second !== undefined) return { kind: 'open', left: Number(second) };
  if (second === undefined || third === undefined) throw new Error(`a recorder reported "${line}"`);
  return { kind: 'acknowledged', id: first, timestamp: second, sequence: Number(third) };
}
