import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Move } from '../move.js';

export interface JournalEntry {
  verb: string;
  step: string;
  /** What the step said of itself, such as `ms`. */
  detail: Readonly<Record<string, unknown>>;
  at: Date;
}

/** All that was done in a move. */
export interface MoveReport {
  plan: string;
  service: string;
  strategy: string;
  phase: string;
  /** Of the first entry. */
  began_at: Date | null;
  /** When the source's tables may be, or might have been, dropped. */
  drop_after: Date | null;
  /** Rows that the last verification compared, per table. */
  tables: readonly { table: string; rows: number }[];
  /** How long writes stood still, each time. Milliseconds. */
  pauses_ms: readonly number[];
  journal: readonly JournalEntry[];
}

export async function readReport({ plan, service, state, databases }: Move): Promise<MoveReport> {
  const { strategy, phase, dropAfter } = await state.read();
  const { rows: journal } = await databases.target.query<JournalEntry>(
    'SELECT verb, step, detail, at FROM decomposition.journal WHERE service = $1 ORDER BY id',
    [service.name],
  );
  const verified = journal.findLast(({ verb, step }) => verb === 'complete' && step === 'verify');
  return {
    plan: plan.name,
    service: service.name,
    strategy,
    phase,
    began_at: journal[0]?.at ?? null,
    drop_after: dropAfter,
    tables: (verified?.detail.tables as MoveReport['tables'] | undefined) ?? [],
    pauses_ms: journal.flatMap(({ detail }) => (typeof detail.pause_ms === 'number' ? [detail.pause_ms] : [])),
    journal,
  };
}

/** Writes it as JSON and as Markdown. @returns the files */
export async function writeReport(report: MoveReport, directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const files = [];
  for (const [ending, text] of [
    ['json', `${JSON.stringify(report, null, 2)}\n`],
    ['md', markdown(report)],
  ] as const) {
    const file = join(directory, `${report.plan}-${report.service}.${ending}`);
    await writeFile(`${file}.part`, text);
    await rename(`${file}.part`, file);
    files.push(file);
  }
  return files;
}

function markdown(report: MoveReport): string {
  const cell = (text: unknown): string => String(text).replace(/\s+/g, ' ').replace(/\|/g, '\\|');
  const row = (...cells: unknown[]): string => `| ${cells.map(cell).join(' | ')} |`;
  const time = (date: Date | null): string => date?.toISOString() ?? '-';
  return [
    `# ${report.service}: moved out of the shared database`,
    '',
    `Plan ${report.plan}, strategy ${report.strategy}, phase ${report.phase}. Began ${time(report.began_at)}.`,
    report.drop_after
      ? `The tables put aside may be dropped after ${time(report.drop_after)}.`
      : "The source's old tables are gone.",
    `Writes stood still ${report.pauses_ms.length === 0 ? 'never' : `for ${report.pauses_ms.join(', ')} ms`}.`,
    '',
    '## Tables, as last verified',
    '',
    row('table', 'rows'),
    row('---', '---:'),
    ...report.tables.map(({ table, rows }) => row(table, rows)),
    '',
    '## Journal',
    '',
    row('at', 'verb', 'step', 'detail'),
    row('---', '---', '---', '---'),
    ...report.journal.map(({ at, verb, step, detail }) => row(time(at), verb, step, JSON.stringify(detail))),
    '',
  ].join('\n');
}
