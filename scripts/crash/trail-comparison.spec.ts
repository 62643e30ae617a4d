import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { migrateAtBoot } from '#database';
import { createTestDatabase, type TestDatabase } from '#testing';
import { migrations } from '../../apps/gatekeeper/migrations/index.js';
import { type Acknowledged } from './report-lines.js';
import { compareWithTrail } from './trail-comparison.js';

const NOTHING = { lost: [], doubled: [], altered: [], misordered: [], gaps: [] };

describe('compareWithTrail', () => {
  let database: TestDatabase;
  const producer = randomUUID();
  const now = new Date();
  beforeAll(async () => {
    database = await createTestDatabase('gatekeeper');
    const { ownerUrl: url, name: runtimeRole } = database;
    await migrateAtBoot({ service: 'gatekeeper', url, runtimeRole, entities: [], migrations });
    // Of `now`, and of the month after it, also where a new one begins meanwhile.
    await database.query('SELECT ensure_audit_partitions(1, 1)');
  });
  afterAll(() => database.drop());
  beforeEach(() => database.query('TRUNCATE audit_log'));

  /** The n-th event of the producer, a microsecond after the one before it. */
  const month = now.toISOString().slice(0, 7);
  const receipt = (sequence: number): Acknowledged => {
    const timestamp = `${month}-02T03:04:05.${String(sequence).padStart(6, '0')}Z`;
    return { id: randomUUID(), timestamp, sequence };
  };
  const receipts = (count: number) => Array.from({ length: count }, (_, i) => receipt(i + 1));
  const write = async (events: readonly Acknowledged[]) => {
    for (const { id, timestamp, sequence } of events)
      await database.query(
        `INSERT INTO audit_log
         (id, tenant_id, timestamp, service, action, resource, result, reason, entities, metadata, producer, sequence)
         VALUES ($1, 'default', $2, 'gatekeeper', 'a', 'r', 'ALLOWED', '', '[]', '{}', $3, $4)`,
        [id, timestamp, producer, sequence],
      );
  };
  const findings = async (events: readonly Acknowledged[]) =>
    (await compareWithTrail(database.superuserUrl, events)).findings;

  it('finds nothing where all is well, also with events that nobody was told about', async () => {
    const all = receipts(5);
    await write(all);
    expect(await compareWithTrail(database.superuserUrl, all.slice(0, 3))).toEqual({
      findings: NOTHING,
      rows: 5,
      emptied: false,
    });
    expect(await findings([])).toEqual(NOTHING);
  });

  it('names what is lost', async () => {
    const all = receipts(4);
    await write(all.slice(0, 2));
    expect(await findings(all)).toEqual({ ...NOTHING, lost: [all[2]!.id, all[3]!.id] });
  });

  it('sees a gap below what was acknowledged, and none above', async () => {
    const all = receipts(6);
    await write([all[0]!, all[2]!, all[3]!, all[5]!]);
    expect(await findings([all[3]!])).toEqual({ ...NOTHING, gaps: [producer] });
    expect(await findings([all[0]!])).toEqual(NOTHING);
  });

  it('sees an event that is there twice, by its id and by its number', async () => {
    const [first] = receipts(1);
    // Within a month the table itself refuses it.
    const nextMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)).toISOString();
    await write([first!, { ...first!, timestamp: nextMonth }]);
    const { doubled } = await findings([]);
    expect(doubled).toEqual([first!.id, `${producer} 1`]);
  });

  it('sees a row that is not as its receipt says', async () => {
    const [first, second] = receipts(2);
    await write([first!, second!]);
    const told = [first!, { ...second!, timestamp: receipt(3).timestamp }];
    expect(await findings(told)).toEqual({ ...NOTHING, altered: [second!.id] });
  });

  it('sees times that do not follow the numbers', async () => {
    const [first, second] = receipts(2);
    await write([first!, { ...second!, timestamp: first!.timestamp }]);
    expect((await findings([])).misordered).toEqual([second!.id]);
  });
});
