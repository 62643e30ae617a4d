import { describe, expect, it } from '@jest/globals';
import { type ServicePlan } from '../plan.js';
import { type DatabaseFacts } from '../read/database-facts.js';
import { type Survey, type TargetSurvey } from '../survey.js';
import { Found } from './check.js';
import { checkExtensions } from './extensions.js';
import { checkServers } from './servers.js';

const FACTS: DatabaseFacts = {
  ...{ database: 'a', exists: true, version: '18.0', versionNumber: 180_000, cluster: '1', encoding: 'UTF8' },
  collation: 'libc C/C',
  settings: {
    ...{ walLevel: 'logical', slots: 20, senders: 10, origins: 10, workers: 20 },
    ...{ slotWalKeepSize: '-1', idleSlotTimeout: '0' },
  },
  inUse: { slots: 0, senders: 0, origins: 0, workers: 0 },
  rights: { superuser: true, bypassRls: true, replication: true, subscribe: true, advance: true, replicaRole: true },
  extensions: new Set(['plpgsql']),
};

interface Given {
  strategy?: ServicePlan['strategy'];
  target?: Partial<DatabaseFacts>;
  phase?: string;
}

function survey(source: Partial<DatabaseFacts>, given: Record<string, Given>): Survey {
  const services = Object.entries(given).map(
    ([name, { strategy = 'replication' }]) => ({ name, strategy, target: `postgres://db/${name}` }) as ServicePlan,
  );
  const targets = Object.entries(given).map(([name, { target = source, phase }]) => {
    const facts = { ...FACTS, ...target };
    return [name, { facts, state: phase === undefined ? undefined : { phase } } as TargetSurvey] as const;
  });
  return {
    plan: { source: 'postgres://db/a', services },
    services,
    sourceFacts: { ...FACTS, ...source },
    targets: new Map(targets),
    claims: new Map([['public.words', ['one']]]),
    relations: new Map(),
    dependencies: { extensions: [{ table: 'public.words', extension: 'pg_trgm' }] },
  } as unknown as Survey;
}

function check(...given: Parameters<typeof survey>): { problems: string[]; warnings: string[] } {
  const found = new Found();
  checkServers(survey(...given), found);
  const texts = (findings: Found['problems']): string[] => findings.map(({ message, next }) => `${message} ${next}`);
  return { problems: texts(found.problems), warnings: texts(found.warnings) };
}

describe('checkServers', () => {
  it('finds nothing where there is room for all', () => {
    expect(check({}, { one: {}, two: {} })).toEqual({ problems: [], warnings: [] });
  });

  it('wants 16 for replication, on either side, and 15 for dual-write', () => {
    const old = { versionNumber: 150_009, version: '15.9', cluster: '2' };
    const { problems } = check({}, { one: { target: old } });
    expect(problems).toEqual([
      "The server of one's target is PostgreSQL 15.9; the strategy replication needs 16, where subscriptions can leave out what came from elsewhere (origin = none). Upgrade it, or take `strategy: dual-write`, for which 15 will do.",
    ]);
    expect(check({}, { one: { target: old, strategy: 'dual-write' } }).problems).toEqual([]);
    expect(check({ ...old, cluster: '1' }, { one: { target: {} } }).problems).toHaveLength(1);
    const older = { versionNumber: 140_001, version: '14.1', cluster: '2' };
    expect(check({}, { one: { target: older, strategy: 'dual-write' } }).problems).toEqual([
      "The server of one's target is PostgreSQL 14.1; the oldest that can take part is 15. Upgrade it.",
    ]);
  });

  it('counts what a move takes on one server: four slots, two senders and origins, up to four workers', () => {
    const settings = { ...FACTS.settings, slots: 6, senders: 1, origins: 3, workers: 4 };
    const { problems, warnings } = check({ settings, inUse: { ...FACTS.inUse, origins: 1 } }, { one: {}, two: {} });
    expect(problems).toEqual([
      "max_wal_senders of the source's server leaves 1 free; a move needs 2. Set it to 4, at the least 2, and restart.",
    ]);
    expect(warnings).toEqual([
      "max_replication_slots of the source's server leaves 6 free; that is room for 1 of 2 services before one of them is completed, at 4 each. Complete one service before the next, or set it to 8 and restart.",
      "max_active_replication_origins of the source's server leaves 2 free; that is room for 1 of 2 services before one of them is completed, at 2 each. Complete one service before the next, or set it to 5 and restart.",
      "max_logical_replication_workers of the source's server leaves 4 free; that is room for 1 of 2 services before one of them is completed, at 4 each. Complete one service before the next, or set it to 8 and restart.",
    ]);
  });

  it('counts half of that on each of two servers', () => {
    const settings = { ...FACTS.settings, slots: 2, senders: 1, origins: 1, workers: 2 };
    const target = { cluster: '2', settings };
    expect(check({ settings }, { one: { target } })).toEqual({ problems: [], warnings: [] });
    const apart = { ...target, cluster: '3' };
    expect(check({ settings }, { one: { target }, two: { target: apart } }).warnings).toHaveLength(4);
  });

  it('counts of what moves already the way back alone, and of what has switched nothing', () => {
    const inUse = { slots: 2, senders: 1, origins: 1, workers: 1 };
    const given = (slots: number, phase: string): Parameters<typeof survey> => [
      { inUse, settings: { ...FACTS.settings, slots } },
      { one: { phase } },
    ];
    expect(check(...given(4, 'in_step')).problems).toEqual([]);
    expect(check(...given(3, 'in_step')).problems).toEqual([
      "max_replication_slots of the source's server leaves 1 free; a move needs 2. Set it to 4, at the least 4, and restart.",
    ]);
    expect(check(...given(2, 'switched')).problems).toEqual([]);
  });

  it('asks for the right to write as a replica, whatever the strategy', () => {
    const rights = { ...FACTS.rights, replicaRole: false };
    const { problems } = check({ rights }, { one: { strategy: 'dual-write' } });
    expect(problems[0]).toMatch(/may not set session_replication_role.*GRANT SET ON PARAMETER/);
  });
});

describe('checkExtensions', () => {
  const missing = (extensions: string[]): Found['problems'] => {
    const found = new Found();
    checkExtensions(survey({}, { one: { target: { extensions: new Set(extensions) } } }), found);
    return found.problems;
  };

  it("wants what a table is made with from the target's server", () => {
    expect(missing(['plpgsql', 'pg_trgm'])).toEqual([]);
    expect(missing(['plpgsql'])).toMatchObject([
      {
        ...{ code: 'extension_missing', service: 'one', place: 'public.words' },
        message: "public.words needs the extension pg_trgm, which the server of one's target does not offer.",
      },
    ]);
  });
});
