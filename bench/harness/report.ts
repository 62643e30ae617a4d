import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type BenchResult } from './bench.js';

/** Writes `NAME.json` into the folder, which is made when absent. */
export async function writeResults(folder: string, name: string, results: readonly BenchResult[]): Promise<string> {
  const report = {
    name,
    at: new Date().toISOString(),
    node: process.version,
    cpus: availableParallelism(),
    results: results.map(({ better: _, ...result }) => result),
  };
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  return file;
}

/** The figures as aligned columns: name, value, unit, goal, and whether it is met. */
export function table(results: readonly BenchResult[]): string {
  const rows = [['', 'value', 'unit', 'goal', ''], ...results.map(cells)];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = ([name, value, unit, goal, met]: string[]): string =>
    [
      name!.padEnd(widths[0]!),
      value!.padStart(widths[1]!),
      unit!.padEnd(widths[2]!),
      goal!.padStart(widths[3]!),
      met!,
    ].join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

/** Whether a result is as good as its goal; undefined when it has none. */
export function isMet({ value, goal, better = 'more' }: BenchResult): boolean | undefined {
  if (goal === undefined) return undefined;
  return better === 'more' ? value >= goal : value <= goal;
}

function cells(result: BenchResult): string[] {
  const { name, value, unit, goal, better } = result;
  const bound = goal === undefined ? '' : `${better === 'less' ? '<=' : '>='} ${format(goal)}`;
  const met = isMet(result);
  return [name, format(value), unit, bound, met === undefined ? '' : met ? 'met' : 'MISSED'];
}

/** Three significant digits, and thousands apart. */
function format(value: number): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
