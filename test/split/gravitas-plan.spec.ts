import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { connectionUrl, dataSourceOptions, serviceDatabase, type RoleSpec } from '#database';
import { checkPlan, parsePlan, planReportText, type Plan } from '#decomposition';
import { createTestDatabase, testPostgresUrl, type TestDatabase } from '#testing';
import { ALL_SERVICES } from '../support/services.js';

describe("the plan of Gravitas' own split", () => {
  let shared: TestDatabase;
  let plan: Plan;
  beforeAll(async () => {
    shared = await createTestDatabase('gatekeeper');
    for (const { name, definition } of ALL_SERVICES) {
      const { entities, migrations } = definition;
      const url = shared.superuserUrl;
      const source = new DataSource({
        ...dataSourceOptions({ service: name, url, runtimeRole: shared.name, entities, migrations }),
        migrationsTableName: `${name}_migrations`,
      });
      await source.initialize();
      await source.runMigrations({ transaction: 'each' }).finally(() => source.destroy());
    }
    await shared.query('SELECT ensure_audit_partitions(1, 1)');
    const targets = ALL_SERVICES.map(({ name }) => [
      `${name.toUpperCase()}_SPLIT_ADMIN_URL`,
      connectionUrl(testPostgresUrl(), { database: `${shared.name}_${name}` }),
    ]);
    plan = parsePlan(await readFile('libs/decomposition/plans/gravitas.yaml', 'utf8'), {
      ...(Object.fromEntries(targets) as Record<string, string>),
      SPLIT_SOURCE_URL: shared.superuserUrl,
    });
  });
  afterAll(() => shared?.drop());

  it('gives each service the tables that it owns', () => {
    const tables = Object.fromEntries(plan.services.map((service) => [service.name, service.tables.toSorted()]));
    expect(tables).toEqual(
      Object.fromEntries(ALL_SERVICES.map((service) => [service.name, service.tables.toSorted()])),
    );
  });

  it('names the roles that a service has', async () => {
    for (const { name, owner, runtime, further } of plan.services) {
      const spec = await serviceDatabase(name, `gravitas_${name}`, () => 'unused');
      const plain = ({ name, bypassRls = false }: RoleSpec): object => ({ name, bypass_rls: bypassRls });
      const expected = [spec.owner, spec.runtime, ...Object.values(spec.further ?? {})].map(plain);
      expect([owner, runtime, ...further].map(({ name, bypass_rls }) => ({ name, bypass_rls }))).toEqual(expected);
    }
  });

  it('checks clean against what the migrations of all five made', async () => {
    const report = await checkPlan(plan);
    expect(report.problems).toEqual([]);
    expect(report.cuts).toEqual([]);
    expect(report.warnings.map(({ code, place }) => `${code} ${place}`)).toEqual(['trigger guardian_hint()']);
    expect(report.services.flatMap(({ sequences }) => sequences)).toMatchObject([
      { name: 'public.revoked_tokens_revision', columns: ['public.revoked_tokens.revision'] },
    ]);
    expect(report.stay.map(({ name }) => name).toSorted()).toEqual(
      ALL_SERVICES.map(({ name }) => `public.${name}_migrations`).toSorted(),
    );
    expect(planReportText(report)).toMatch(/^Nothing stands in the way\. Next: create --service \w+\.$/m);
  });
});
