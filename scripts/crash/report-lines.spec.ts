import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { reportLine, ReportReader, type Report } from './report-lines.js';

const report: fc.Arbitrary<Report> = fc.oneof(
  fc.constant<Report>({ kind: 'opening' }),
  fc.nat().map((left): Report => ({ kind: 'open', left })),
  fc.record({
    kind: fc.constant('acknowledged' as const),
    id: fc.uuid(),
    timestamp: fc.constantFrom('2026-11-20T10:00:00.000Z', '2026-11-20T10:00:00.123456Z'),
    sequence: fc.integer({ min: 1 }),
  }),
);

describe('ReportReader', () => {
  it('reads what was written, however it is cut up', () => {
    fc.assert(
      fc.property(fc.array(report), fc.array(fc.nat(60)), (reports, sizes) => {
        const text = reports.map(reportLine).join('');
        const reader = new ReportReader();
        const read: Report[] = [];
        let at = 0;
        for (const size of [...sizes, text.length]) read.push(...reader.read(text.slice(at, (at += size))));
        expect(read).toEqual(reports);
      }),
    );
  });

  it('takes a report that a kill has torn for none, wherever it was torn', () => {
    const whole = reportLine({ kind: 'acknowledged', id: 'id', timestamp: '2026-11-20T10:00:00.000Z', sequence: 12 });
    for (let length = 0; length < whole.length; length++)
      expect(new ReportReader().read(whole + whole.slice(0, length))).toHaveLength(1);
  });

  it('does not guess', () => {
    expect(() => new ReportReader().read('what?\n')).toThrow('what?');
  });
});
