import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditLogger } from '#audit';
import { agentToken, MovingService, startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { MonthMaintenance } from '../src/audit/month-maintenance.js';
import { MonthKeeper } from '../src/audit/month-keeper.js';

const TABLES = [
  'access_policies',
  'audit_log',
  'audit_quarantine',
  'audit_seals',
  'event_entities',
  'revoked_tokens',
  'tlog_checkpoints',
  'tlog_cosignatures',
  'tlog_leaves',
  'tlog_sequencer',
  'tlog_tiles',
  'tlog_trees',
  'tlog_witnesses',
];
const SILENT = { info: () => undefined, warn: () => undefined };

describe('the gatekeeper while it moves to a database of its own', () => {
  let moving: MovingService;
  let service: TestService;

  beforeAll(async () => {
    const months = { ahead: 3, back: 1, retention: 0 };
    moving = await MovingService.make({
      name: 'gatekeeper',
      definition: gatekeeper,
      tables: TABLES,
      prepare: ({ ownerUrl: url }) => new MonthMaintenance({ url, months, log: SILENT }).run(),
    });
    service = await startService('gatekeeper', gatekeeper, {
      environment: moving.environment,
      database: moving.source,
    });
  });

  afterAll(async () => {
    await service.close();
    await moving.drop();
  });

  const ask = async (path: string, method = 'GET', body?: object): Promise<Response> =>
    fetch(`${service.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${await agentToken('Supervisor')}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  const decide = async (resource: string): Promise<number> =>
    (await ask('/validate', 'POST', { action: 'read', resource })).status;
  const decided = async (side: 'source' | 'target'): Promise<string[]> => {
    await service.app.get(AuditLogger).flush();
    const rows = await moving[side].query<{ resource: string }>(
      "SELECT resource FROM audit_log WHERE resource LIKE 'thing/%' ORDER BY resource",
    );
    return rows.map(({ resource }) => resource);
  };
  const leaves = async (side: 'source' | 'target'): Promise<number> =>
    (await moving[side].query<{ n: number }>('SELECT coalesce(sum(size), 0)::int AS n FROM tlog_trees'))[0]!.n;
  const events = async (side: 'source' | 'target'): Promise<number> =>
    (await moving[side].query<{ n: number }>('SELECT count(*)::int AS n FROM audit_log'))[0]!.n;
  const waitForLeaves = (side: 'source' | 'target') =>
    waitFor(
      `all events of the ${side} to be in the log`,
      async () => (await leaves(side)) === (await events(side)),
      20_000,
    );

  it('records, reads and proves where the move says, there and back', async () => {
    expect(await decide('thing/1')).toBe(200);
    expect(await decided('source')).toEqual(['thing/1']);
    await waitForLeaves('source');

    const flip = moving.tool.flip('target');
    const meanwhile = Array.from({ length: 20 }, (_, i) => decide(`thing/2-${String(i).padStart(2, '0')}`));
    expect(new Set(await Promise.all(meanwhile))).toEqual(new Set([200]));
    await flip;
    await waitFor('all decisions', async () => (await decided('target')).length === 21);
    expect(await decide('thing/3')).toBe(200);
    expect(await decided('target')).toHaveLength(22);

    // The sequencer has lost its connection, and leads in the target now.
    await waitForLeaves('target');
    const checkpoint = await ask('/v1/audit/checkpoint');
    expect([checkpoint.status, (await checkpoint.text()).split('\n')[1]]).toEqual([
      200,
      String(await leaves('target')),
    ]);
    // So do the readers' pools, and the keeper of the months.
    const found = (await (await ask('/v1/audit/events?resource=thing/3')).json()) as { events: object[] };
    expect(found.events).toHaveLength(1);
    await service.app.get(MonthKeeper).run();

    const jti = 'revoked after the switch';
    expect((await ask('/v1/tokens/revoke', 'POST', { jti })).status).toBe(200);
    expect(await moving.target.query('SELECT FROM revoked_tokens')).toHaveLength(1);
    expect(await moving.source.query('SELECT FROM revoked_tokens')).toHaveLength(0);
    const listening = `SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%revo%' AND datname = current_database()`;
    await waitFor(
      'the feed to listen here alone',
      async () =>
        (await moving.target.query(listening)).length === 1 && (await moving.source.query(listening)).length === 0,
    );

    await moving.tool.flip('source');
    expect(await decide('thing/4')).toBe(200);
    await waitFor('the decision', async () => (await decided('source')).includes('thing/4'));
    expect(await decided('source')).toHaveLength(23);
    await waitForLeaves('source');
    const health = await waitFor('health', async () => {
      const answer = (await (await ask('/health')).json()) as { status: string; move: object };
      return answer.status === 'healthy' && answer;
    });
    expect(health).toMatchObject({ move: { writes: 'source', phase: 'in_step' } });
  }, 90_000);
});
