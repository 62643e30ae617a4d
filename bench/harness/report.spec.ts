import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type BenchResult } from './bench.js';
import { isMet, table, writeResults } from './report.js';

const RESULTS: BenchResult[] = [
  { name: 'vs_other', value: 0.7211, unit: 'x', goal: 0.7 },
  { name: 'p99_us', value: 21.37, unit: 'µs', goal: 20, better: 'less' },
  { name: 'rows_per_s', value: 123_456.7, unit: '1/s' },
];

describe('a report', () => {
  it('shows each figure with its goal, and whether that is met', () => {
    expect(table(RESULTS).split('\n')).toEqual([
      '              value  unit     goal',
      'vs_other       0.72  x     >= 0.70  met',
      'p99_us         21.4  µs      <= 20  MISSED',
      'rows_per_s  123,457  1/s',
      '',
    ]);
  });

  it('takes a goal as met when it is just reached', () => {
    expect(isMet({ name: 'a', value: 5, unit: 'x', goal: 5 })).toBe(true);
    expect(isMet({ name: 'a', value: 5, unit: 'x', goal: 5, better: 'less' })).toBe(true);
    expect(isMet({ name: 'a', value: 5, unit: 'x' })).toBeUndefined();
  });

  it('goes into a file with the circumstances', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gravitas-report-'));
    try {
      const file = await writeResults(join(folder, 'results'), 'sample', RESULTS);
      expect(file).toBe(join(folder, 'results', 'sample.json'));
      expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
        name: 'sample',
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        node: process.version,
        cpus: expect.any(Number),
        results: [
          { name: 'vs_other', value: 0.7211, unit: 'x', goal: 0.7 },
          { name: 'p99_us', value: 21.37, unit: 'µs', goal: 20 },
          { name: 'rows_per_s', value: 123_456.7, unit: '1/s' },
        ],
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
