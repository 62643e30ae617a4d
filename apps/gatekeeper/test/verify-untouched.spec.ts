import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { type AuditEvent } from '#contracts';
import { waitFor } from '#testing';
import { canonicalEvent, leafEntry, leafHash } from '#tlog';
import { noteOf, type TrailVerdict } from '../src/notary/core/index.js';
import { type Sequencer } from '../src/notary/core/sequencer.js';
import { logEvent, LoggedTrail } from './support/logged-trail.js';

const RUNS = 200;
const SEED = 20_261_121;
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !value.includes('\0'));
const metadata = fc.dictionary(
  text,
  fc.oneof(
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true })), { maxLength: 3 }),
  ),
  { maxKeys: 5 },
);
const anyEvent = fc
  .record({
    number: fc.nat(1_000_000),
    tenant: fc.constantFrom('default', 'ünï/cöde', '%2e%2e'),
    metadata,
    // The longest one makes an event too large for an entry.
    reason: fc.oneof({ weight: 100, arbitrary: text }, { weight: 1, arbitrary: fc.constant('x'.repeat(70_000)) }),
    age: fc.nat(40 * 86_400_000),
  })
  .map(({ number, tenant, metadata, reason, age }): AuditEvent => {
    return { ...logEvent(tenant, number, new Date(Date.now() - age)), metadata, reason };
  });

describe('a trail that nobody has touched', () => {
  let trail: LoggedTrail;
  let sequencer: Sequencer;
  beforeAll(async () => {
    trail = await LoggedTrail.make();
    sequencer = trail.sequencer();
  }, 30_000);
  afterAll(async () => {
    await sequencer.stop();
    await trail.quiet();
    await trail.drop();
  });

  it('raises no alarm in any of 200 runs while events are written and sequenced, some of them late', async () => {
    const late = new pg.Client({ connectionString: trail.database.superuserUrl, query_timeout: 30_000 });
    late.on('error', () => undefined);
    await late.connect();
    let writing = true;
    let written = 0;
    let runs = 0;
    const write = async (): Promise<void> => {
      const parts = fc.sample(fc.array(anyEvent, { minLength: 1, maxLength: 12 }), { seed: SEED, numRuns: 60 });
      for (const [i, part] of parts.entries()) {
        // Not ahead of the runs, so that they see many sizes.
        while (writing && runs < i) await sleep(5);
        if (!writing) return;
        if (i % 10 === 0) {
          // Begins before the others and ends after them.
          await late.query('BEGIN');
          await insert(late, logEvent('default', i));
          written++;
        }
        await trail.sink.write(part);
        written += part.length;
        await sleep(100);
        if (i % 10 === 5) await late.query('COMMIT');
      }
    };
    sequencer.start();
    const writer = write();
    const saved = new Map<string, string[]>();
    const seen = new Set<number>();
    try {
      for (; runs < RUNS; runs++) {
        const verdict = await trail.verify({ saved });
        expect(verdict.differences).toEqual([]);
        expect(verdict.problems).toEqual([]);
        remember(verdict, saved);
        seen.add(eventsIn(verdict));
      }
    } finally {
      writing = false;
      await writer;
      await late.query('COMMIT');
      await late.end();
    }
    await waitFor('the events in their logs', async () => (await trail.size()) === written, 20_000);
    await sequencer.stop();
    const last = await trail.verify({ saved });
    expect(last).toMatchObject({ differences: [], problems: [] });
    expect(eventsIn(last)).toBe(written);
    expect(last.tenants.every(({ pending }) => pending?.events === 0)).toBe(true);
    expect(seen.size).toBeGreaterThan(10);
  }, 120_000);
});

function remember({ tenants }: TrailVerdict, saved: Map<string, string[]>): void {
  for (const { tenant, verdict } of tenants) {
    const note = verdict?.intact ? noteOf(verdict) : undefined;
    if (note !== undefined) saved.set(tenant, [...(saved.get(tenant) ?? []).slice(-2), note]);
  }
}

function eventsIn({ tenants }: TrailVerdict): number {
  return tenants.reduce((sum, { verdict }) => sum + (verdict?.intact ? verdict.size : 0), 0);
}

async function insert(client: pg.Client, event: AuditEvent): Promise<void> {
  await client.query(
    `INSERT INTO audit_log (id, tenant_id, timestamp, service, ghost_id, action, resource, result, reason, entities, metadata, leaf_hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      event.id,
      event.tenant_id,
      event.timestamp,
      event.service,
      event.ghost_id,
      event.action,
      event.resource,
      event.result,
      event.reason,
      JSON.stringify(event.entities),
      JSON.stringify(event.metadata),
      leafHash(leafEntry(canonicalEvent(event))),
    ],
  );
}
