import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { agentToken, waitFor } from '#testing';
import { type ControlPlane } from '../support/control-plane.js';
import { provisionMonolith, type Monolith } from '../support/monolith.js';

describe('five services on one database', () => {
  let monolith: Monolith;
  let plane: ControlPlane;
  let database: pg.Pool;

  beforeAll(async () => {
    monolith = await provisionMonolith();
    database = new pg.Pool({ connectionString: monolith.url, max: 1 });
    plane = await monolith.start();
  });

  afterAll(async () => {
    await plane?.close();
    await database?.end();
    await monolith.drop();
  });

  const chat = async (text: string): Promise<number> => {
    const response = await fetch(`${plane.lobby.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await agentToken('Scout')}`, 'x-request-id': text },
      body: JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: text }] }),
    });
    await response.arrayBuffer();
    return response.status;
  };
  const count = async (table: string): Promise<number> =>
    (await database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0]!.n;

  it('each make their tables there, and remember on their own which migrations they ran', async () => {
    const { rows } = await database.query<{ name: string; owner: string }>(
      "SELECT tablename AS name, tableowner AS owner FROM pg_tables WHERE schemaname = 'public'",
    );
    const ownerOf = new Map(rows.map(({ name, owner }) => [name, owner]));
    for (const { name, tables, owner } of Object.values(monolith.services))
      for (const table of [...tables, `${name}_migrations`])
        expect([table, ownerOf.get(table)]).toEqual([table, owner.name]);
    expect(ownerOf.has('migrations')).toBe(false);
  });

  it('answer as they do on five, and start again on what is there', async () => {
    expect(await chat('first')).toBe(200);
    // Services that stop here have a second for what they still keep to themselves.
    await waitFor('the first decision', async () => (await count('routing_decisions')) === 1);
    await waitFor('its usage', async () => (await count('usage_stats')) === 1);
    await plane.close();
    plane = await monolith.start();
    expect(await chat('second')).toBe(200);
    expect(await count('history')).toBe(4);
    await plane.trailOf('second', 3);
    await waitFor('the decisions', async () => (await count('routing_decisions')) === 2);
    await waitFor('the usage', async () => (await count('usage_stats')) === 2);
  });

  it('take no part in any move while there are no targets', async () => {
    for (const { url } of [plane.gatekeeper, plane.guardian, plane.router, plane.telemetry, plane.lobby]) {
      const answer = await waitFor('health', async () => {
        const response = await fetch(`${url}/health`);
        return response.status === 200 && response;
      });
      expect(await answer.json()).toMatchObject({
        status: 'healthy',
        move: { phase: null, writing_side: 'source' },
      });
    }
  });
});
