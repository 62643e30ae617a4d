import { describe, expect, it } from '@jest/globals';
import { auditEvent, type AuditEvent } from '#contracts';
import { csvLine, exportText } from './export-format.js';

const event = (difference: Partial<AuditEvent> = {}): AuditEvent =>
  auditEvent.parse({
    id: '01a0c1f2-7d3e-7000-8000-000000000001',
    timestamp: '2026-11-21T07:00:00Z',
    service: 'router',
    action: 'execute',
    resource: 'r',
    result: 'ALLOWED',
    ...difference,
  });

async function textOf(events: AuditEvent[], format: 'csv' | 'ndjson'): Promise<string> {
  const batches = (async function* () {
    if (events.length > 0) yield events;
  })();
  let text = '';
  for await (const part of exportText(batches, format)) text += part;
  return text;
}

describe('the text of an export', () => {
  it('is CSV with a header, CRLF, empty fields for null and JSON for what is no text', async () => {
    const text = await textOf([event({ entities: [{ kind: 'user', id: '1' }], sequence: 7 })], 'csv');
    expect(text).toBe(
      'id,tenant_id,timestamp,service,ghost_id,shell_id,action,resource,result,reason,request_id,session_id,entities,metadata,producer,sequence\r\n' +
        '01a0c1f2-7d3e-7000-8000-000000000001,default,2026-11-21T07:00:00Z,router,,,execute,r,ALLOWED,,,,"[{""kind"":""user"",""id"":""1""}]",{},,7\r\n',
    );
    expect((await textOf([], 'csv')).split('\r\n')).toHaveLength(2);
  });

  it.each([
    ['a comma, "quotes" and\nlines', '"a comma, ""quotes"" and\nlines"'],
    ['=HYPERLINK("x")', `"'=HYPERLINK(""x"")"`],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@x', "'@x"],
    ['\tx', "'\tx"],
    ['\rx', `"'\rx"`],
    ['＝1', "'＝1"],
    ['a=1', 'a=1'],
  ])('writes %j so that neither CSV nor a spreadsheet takes it for something else', (reason, written) => {
    expect(csvLine(event({ reason }))).toContain(`,ALLOWED,${written},,`);
  });

  it('is one JSON object a line', async () => {
    const events = [event({ reason: 'a\nb' }), event()];
    const lines = (await textOf(events, 'ndjson')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(events);
    expect(await textOf([], 'ndjson')).toBe('');
  });
});
