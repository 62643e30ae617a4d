import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SERVICES } from '#contracts';
import { agentToken, serviceToken, waitFor } from '#testing';
import { startControlPlane, type ControlPlane } from '../support/control-plane.js';
import { CALLERS, expected, type Caller } from './access-rules.js';
import { ACCESS_TABLE, AGENT, OTHER, nameOf, OTHERS_SESSION, OWN_SESSION, type Row } from './access-table.js';
import { ask, type Answer } from './ask.js';
import { ALL_RIGHTS, OTHER_TENANT, tokenOf, writePolicy } from './callers.js';
import { rowsOf, SECRET, seedTenant, type Seed } from './tenant-seed.js';

/** The five services with the real gatekeeper, each endpoint asked by everybody. */
describe('who may what', () => {
  let plane: ControlPlane;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'gravitas-policy-'));
    const policy = join(home, 'policy.yaml');
    await writePolicy(policy);
    plane = await startControlPlane({ ACCESS_POLICY_PATH: policy });
    for (const [agent, session_id] of [
      [AGENT, OWN_SESSION],
      [OTHER, OTHERS_SESSION],
    ]) {
      const token = await serviceToken('router', 'guardian');
      const started = await ask(plane.guardian.url, 'POST /session/start', token, { agent, session_id });
      expect(started.status).toBe(200);
    }
  });
  afterAll(async () => {
    await plane.close();
    await rm(home, { recursive: true, force: true });
  });

  const askRow = (row: Row, token: string | undefined) => {
    const [method] = row.endpoint.split(' ', 1);
    const operation = row.path === undefined ? row.endpoint : `${method} ${row.path}`;
    return ask(plane[row.service].url, operation, token, row.body?.());
  };
  const outcomeOf = ({ status }: Answer): number | 'in' =>
    status >= 500 || [401, 403].includes(status) ? status : 'in';
  const cell = async (caller: Caller, row: Row) => {
    const token = await tokenOf(caller, row);
    if (caller === 'replayed service token') await askRow(row, token);
    return outcomeOf(await askRow(row, token));
  };

  /** A database that stands still for two seconds is an outage, and is none a moment later. */
  const lastingCell = async (caller: Caller, row: Row) => {
    let outcome = await cell(caller, row);
    const isThere = async () => (outcome = await cell(caller, row)) !== 503;
    if (outcome === 503) await waitFor('no outage', isThere, 6000).catch(() => undefined);
    return outcome;
  };

  it.each(SERVICES)(
    'is said in test/security/access-table.ts for every endpoint of the %s, and for no other',
    async (name) => {
      const answer = await fetch(`${plane[name].url}/docs/json`, { signal: AbortSignal.timeout(20_000) });
      const { paths } = (await answer.json()) as { paths: Record<string, object> };
      const endpoints = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
      );
      const rows = ACCESS_TABLE.filter(({ service, documented }) => service === name && documented !== false);
      const listed = new Set(rows.map(({ endpoint }) => endpoint));
      const withoutRow = endpoints.filter((endpoint) => !listed.has(endpoint));
      const withoutEndpoint = [...listed].filter((endpoint) => !endpoints.includes(endpoint));
      expect({ withoutRow, withoutEndpoint }).toEqual({ withoutRow: [], withoutEndpoint: [] });
    },
  );

  it.each(ACCESS_TABLE.map((row) => [titleOf(row), row] as const))('%s', async (_title, row) => {
    const outcomes: Partial<Record<Caller, number | 'in'>> = {};
    for (const caller of CALLERS) outcomes[caller] = await lastingCell(caller, row);
    expect(outcomes).toEqual(expected(row.rule));
  });

  describe('and an agent of another tenant, with every right and the same name,', () => {
    let seed: Seed;
    let before: Map<string, string[]>;
    let stranger: () => Promise<string>;
    beforeAll(async () => {
      seed = await seedTenant(plane, ALL_RIGHTS);
      before = await rowsOf(plane, seed.tenant);
      stranger = () => agentToken(AGENT, { groups: [ALL_RIGHTS], tenant: OTHER_TENANT });
    });

    it('has something to look for in every table that keeps tenants apart', () => {
      const unseeded = [...before].filter(([, rows]) => rows.length === 0).map(([table]) => table);
      expect({ addTheseToTenantSeed: unseeded }).toEqual({ addTheseToTenantSeed: [] });
      expect(before.size).toBeGreaterThanOrEqual(5);
    });

    it("does not see the first one's data, where that one does", async () => {
      const own = await agentToken(AGENT, { groups: [ALL_RIGHTS], tenant: seed.tenant });
      for (const [service, operation] of seed.reads) {
        const shown = await ask(plane[service].url, operation, own);
        expect({ operation, status: shown.status, shown: shown.text.includes(SECRET) }).toEqual({
          operation,
          status: 200,
          shown: true,
        });
        const hidden = await ask(plane[service].url, operation, await stranger());
        expect({ operation, outcome: outcomeOf(hidden), shown: hidden.text.includes(SECRET) }).toEqual({
          operation,
          outcome: 'in',
          shown: false,
        });
      }
    });

    it('finds nothing of it by naming it', async () => {
      for (const [service, operation, empty] of seed.counts) {
        const { text } = await ask(plane[service].url, operation, await stranger());
        expect({ operation, answer: JSON.parse(text) as object }).toMatchObject({ operation, answer: empty });
      }
    });

    it('sees and changes nothing of it, whatever it asks', async () => {
      for (const row of ACCESS_TABLE) {
        const { text } = await askRow(row, await stranger());
        expect({ row: `${row.service} ${row.endpoint}`, shown: text.includes(SECRET) }).toMatchObject({ shown: false });
      }
      for (const [service, operation, body] of seed.writes)
        await ask(plane[service].url, operation, await stranger(), body);
      const after = await rowsOf(plane, seed.tenant);
      for (const [table, rows] of before)
        expect({ table, gone: rows.filter((row) => !after.get(table)!.includes(row)) }).toEqual({ table, gone: [] });
    });
  });
});

function titleOf({ service, endpoint, path, rule }: Row): string {
  const needed = 'right' in rule && rule.right ? ` (${nameOf(rule.right)})` : '';
  return `${service} ${endpoint}${path === undefined ? '' : ` as ${path}`}: ${rule.kind}${needed}`;
}
