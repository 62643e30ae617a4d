import { describe, expect, it } from '@jest/globals';
import { ServiceError } from '#errors';
import { AuditTrail } from './audit-trail.js';
import { AuditError, AuditLogger, type AuditSink, type Spool } from './core/index.js';

const RECORD = { action: 'a', resource: 'r', result: 'ALLOWED' } as const;
const SPOOL: Spool = {
  recover: async () => [],
  forget: async () => undefined,
  leave: async () => undefined,
  setAside: async () => undefined,
};

function logger(write: AuditSink['write'], options: { async: boolean; maxEvents?: number }): AuditLogger {
  return new AuditLogger({
    service: 'test',
    sink: { write, close: async () => undefined },
    spool: SPOOL,
    maxEvents: 10,
    maxBytes: 1_000_000,
    batchSize: 10,
    flushIntervalMs: 1,
    log: { warn: () => undefined, info: () => undefined },
    ...options,
  });
}

describe('AuditTrail', () => {
  const hangs = () => new Promise<never>(() => undefined);

  it.each([
    ['closed', /does not|takes no events/],
    ['open', undefined],
  ] as const)('in fail mode %s, deals with a full queue', async (failMode, refusal) => {
    const audit = logger(hangs, { async: true, maxEvents: 1 });
    const trail = new AuditTrail(audit, failMode);
    expect(await trail.record(RECORD)).toMatch(/^[0-9a-f-]{36}$/);
    const second = trail.record(RECORD);
    if (refusal === undefined) expect(await second).toBeNull();
    else await expect(second).rejects.toMatchObject({ kind: 'unavailable', code: 'audit_unavailable', retryAfter: 1 });
    await audit.close(0);
  });

  it('waits a bounded time for a record that is written through', async () => {
    const audit = logger(hangs, { async: false });
    await expect(new AuditTrail(audit, 'closed', 20).record(RECORD)).rejects.toBeInstanceOf(ServiceError);
    // It was taken all the same.
    expect(audit.stats()).toMatchObject({ accepted: 1, queued: 1 });
    await audit.close(0);
  });

  it('does not hide a record that is not well formed', async () => {
    const audit = logger(async () => ({ accepted: 1, duplicates: 0 }), { async: true });
    await expect(new AuditTrail(audit, 'open').record({ ...RECORD, action: '' })).rejects.toBeInstanceOf(AuditError);
    await audit.close();
  });
});
