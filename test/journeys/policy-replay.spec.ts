import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AuditLogger } from '#audit';
import { ServiceError } from '#errors';
import { startService, type TestService } from '#testing';
import { gatekeeper } from '../../apps/gatekeeper/src/app.module.js';
import { PolicyStore } from '../../apps/gatekeeper/src/policy/policy-store.js';
import { Decisions } from '../../apps/gatekeeper/src/validate/decisions.js';
import { runProgram } from '../support/run-program.js';

const POLICIES = 3;
const DECISIONS = 3000;
const SEED = 20_261_121;

const GROUPS = ['readers', 'writers', 'barred', 'constructor', 'gäste'];
const GHOSTS = ['Scout', 'Librarian', 'Supervisor', '__proto__', 'Émile'];
const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const pattern = fc.oneof(
  path,
  path.map((prefix) => `${prefix}/*`),
  fc.constant('*'),
);
const permission = fc.record({
  action: fc.constantFrom('read', 'write', '*'),
  resource: pattern,
  effect: fc.constantFrom('allow', 'allow', 'allow', 'deny'),
});
const names = fc.subarray(GROUPS);
const policy = fc.record({
  groups: fc.tuple(...GROUPS.map(() => fc.array(permission, { maxLength: 6 }))),
  mappings: fc.tuple(...GHOSTS.map(() => names)),
});
const asked = fc.record({
  ghost: fc.constantFrom(...GHOSTS, 'Stranger'),
  groups: names,
  tenant: fc.constantFrom('default', 'acme'),
  action: fc.constantFrom('read', 'write', 'inference'),
  resource: path,
});
const sample = <T>(arbitrary: fc.Arbitrary<T>, count: number) => fc.sample(arbitrary, { seed: SEED, numRuns: count });

/** JSON is YAML. */
function file({
  groups,
  mappings,
}: ReturnType<typeof sample<{ groups: object[][]; mappings: string[][] }>>[number]): string {
  const permissions = GROUPS.map((name, i) => `${JSON.stringify(name)}: {"permissions": ${JSON.stringify(groups[i])}}`);
  const mapped = GHOSTS.map((ghost, i) => `${JSON.stringify(ghost)}: ${JSON.stringify(mappings[i])}`);
  return `{"groups": {${permissions.join(', ')}}, "ghost_mappings": {${mapped.join(', ')}}}`;
}

describe('npm run policy:replay', () => {
  let service: TestService;
  let directory: string;
  const files: string[] = [];
  const undo: string[] = [];
  const [from, to] = [new Date(Date.now() - 60_000).toISOString(), new Date(Date.now() + 3_600_000).toISOString()];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-replay-'));
    for (const [i, each] of sample(policy, POLICIES).entries()) {
      files.push(join(directory, `${i}.yaml`));
      await writeFile(files[i]!, file(each));
    }
    const active = join(directory, 'policy.yaml');
    service = await startService('gatekeeper', gatekeeper, {
      environment: { ACCESS_POLICY_PATH: active, ACCESS_POLICY_WATCH: 'false' },
    });
    const decisions = service.app.get(Decisions);
    const decide = async ({
      ghost,
      groups,
      tenant,
      action,
      resource,
    }: ReturnType<
      typeof sample<{ ghost: string; groups: string[]; tenant: string; action: string; resource: string }>
    >[number]) => {
      const agent = { kind: 'agent' as const, ghostId: ghost, groups, tenantId: tenant, token: '' };
      const said = { action, resource, metadata: { note: 'as it is' } };
      await decisions.decide(agent, said, 'request').catch((error: unknown) => {
        if (!(error instanceof ServiceError) || error.kind !== 'forbidden') throw error;
      });
    };
    const requests = sample(asked, DECISIONS);
    // The first hundred before there is any policy.
    await Promise.all(requests.slice(0, 100).map(decide));
    for (let i = 0; i < POLICIES; i++) {
      await writeFile(active, file(sample(policy, POLICIES)[i]!));
      await service.app.get(PolicyStore).reload({ source: 'reload' });
      const share = (DECISIONS - 100) / POLICIES;
      const mine = requests.slice(100 + Math.floor(i * share), 100 + Math.floor((i + 1) * share));
      for (let done = 0; done < mine.length; done += 200) await Promise.all(mine.slice(done, done + 200).map(decide));
    }
    await service.app.get(AuditLogger).flush();
  });
  afterAll(async () => {
    await service.close();
    await rm(directory, { recursive: true });
  });
  afterEach(async () => {
    for (const sql of undo.splice(0)) await service.database.query(sql);
  });

  const run = (...args: string[]) =>
    runProgram('policy-replay', ['--from', from, '--to', to, '--database', service.database.notaryUrl!, ...args]);
  const one = async (where: string) => {
    const [row] = await service.database.query<{ id: string }>(
      `SELECT id FROM audit_log WHERE ${where} AND metadata ? 'input_digest' ORDER BY timestamp LIMIT 1`,
    );
    return row!.id;
  };
  /** Changes one event as only a superuser can, until the test is over. */
  const tamper = async (id: string, set: string) => {
    await service.database.query(`CREATE TABLE before_it AS SELECT * FROM audit_log WHERE id = '${id}'`);
    await service.database.query(`UPDATE audit_log SET ${set} WHERE id = '${id}'`);
    undo.push(
      `UPDATE audit_log a SET (ghost_id, action, resource, result, metadata, tenant_id) =
         (SELECT ghost_id, action, resource, result, metadata, tenant_id FROM before_it) WHERE id = '${id}'`,
      'DROP TABLE before_it',
    );
  };

  it('decides an untouched history the same, all of it, over three versions and the time before', async () => {
    const { code, out } = await run();
    expect({ code, out }).toEqual({
      code: 0,
      out: `${DECISIONS} decisions; under the recorded policies ${DECISIONS} are the same\n`,
    });
    const [versions] = await service.database.query(
      `SELECT count(DISTINCT metadata->>'policy_version')::int AS count, count(DISTINCT result)::int AS results FROM audit_log
       WHERE metadata ? 'input_digest'`,
    );
    expect(versions).toEqual({ count: POLICIES + 1, results: 2 });
  });

  it('looks at one tenant, and at one time, where it is told to', async () => {
    const [{ count }] = (await service.database.query(
      `SELECT count(*)::int AS count FROM audit_log WHERE tenant_id = 'acme' AND metadata ? 'input_digest'`,
    )) as [{ count: number }];
    const { code, out } = await run('--tenant', 'acme', '--json');
    expect({ code, ...(JSON.parse(out) as object) }).toMatchObject({
      code: 0,
      tenant: 'acme',
      decisions: count,
      same: count,
    });
    expect((await run('--to', from, '--from', '2026-01-01')).out).toMatch(/^0 decisions; /);
  });

  it('says what another policy would change, by ghost, action, resource and rules', async () => {
    const json = await run('--policy', files[2]!, '--json');
    expect(json.code).toBe(1);
    const result = JSON.parse(json.out) as {
      same: number;
      now_denied: number;
      now_allowed: number;
      changes: { count: number; was: string; now: string }[];
      policy_version: string;
    };
    expect(result.policy_version).toBe(service.app.get(PolicyStore).current.version);
    expect(result.now_denied).toBeGreaterThan(0);
    expect(result.now_allowed).toBeGreaterThan(0);
    expect(result.same + result.now_denied + result.now_allowed).toBe(DECISIONS);
    const denied = result.changes.filter(({ was, now }) => was === 'ALLOWED' && now === 'DENIED');
    expect(denied.reduce((sum, { count }) => sum + count, 0)).toBe(result.now_denied);
    expect(result.changes.every(({ was, now }) => was !== now)).toBe(true);

    const { code, out } = await run('--policy', files[2]!);
    expect(code).toBe(1);
    expect(out).toContain(`\n${result.now_denied} would now be denied, ${result.now_allowed} allowed\n`);
    expect(out).toMatch(/^ {2}\d+ x \S+ (read|write|inference) \S+: ALLOWED by rule \d+ \(.*\), now DENIED by /m);
  });

  it.each([
    ['another resource', `result = 'ALLOWED'`, `resource = 'c/c/c/c'`, 'its digest is of another input'],
    ['another ghost', `result = 'DENIED'`, `ghost_id = 'Somebody'`, 'its digest is of another input'],
    ['another tenant', `tenant_id = 'acme'`, `tenant_id = 'other'`, 'its digest is of another input'],
    [
      'other groups',
      'true',
      `metadata = jsonb_set(metadata, '{input,groups}', '["admin"]')`,
      'its digest is of another input',
    ],
    ['no result of a decision', 'true', `result = 'SUCCEEDED'`, 'its result is SUCCEEDED'],
    ['no rule to speak of', 'true', `metadata = metadata - 'rule'`, 'its metadata are not those of a decision: rule'],
  ])('names an event that was given %s', async (_name, where, set, problem) => {
    const id = await one(where);
    await tamper(id, set);
    const { code, out } = await run();
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`^${DECISIONS} decisions; .* ${DECISIONS - 1} are the same$`, 'm'));
    expect(out).toMatch(new RegExp(`^altered: event ${id} of .*: ${problem}`, 'm'));
  });

  it.each([
    [
      'result',
      `result = 'DENIED' AND metadata->'rule' = 'null'`,
      `result = 'ALLOWED'`,
      '1 would now be denied, 0 allowed',
    ],
    [
      'rule',
      `result = 'ALLOWED'`,
      `metadata = jsonb_set(metadata, '{rule,index}', '999')`,
      '0 would now be denied, 0 allowed, 1 the same for another reason',
    ],
  ])('names an event that was given another %s', async (_name, where, set, summary) => {
    const id = await one(where);
    await tamper(id, set);
    const { code, out } = await run();
    expect(code).toBe(1);
    expect(out).toContain(`\n${summary}\n`);
    expect(out).toContain(`(${id})`);
  });

  it('cannot tell where a policy is missing, or is not the one that it was', async () => {
    const { version } = service.app.get(PolicyStore).current;
    await service.database.query('CREATE TABLE kept_before AS SELECT * FROM access_policies');
    undo.push(
      'DELETE FROM access_policies',
      'INSERT INTO access_policies SELECT * FROM kept_before',
      'DROP TABLE kept_before',
    );
    await service.database.query(
      `UPDATE access_policies SET canonical = '{"groups":{},"ghost_mappings":{}}' WHERE version = $1`,
      [version],
    );
    const altered = await run();
    expect(altered.code).toBe(2);
    expect(altered.out).toMatch(
      new RegExp(`^cannot tell: policy ${version} was altered: .*; \\d+ decisions under it$`, 'm'),
    );
    await service.database.query('DELETE FROM access_policies WHERE version = $1', [version]);
    const missing = await run();
    expect(missing.code).toBe(2);
    expect(missing.out).toMatch(
      new RegExp(`^cannot tell: policy ${version} is not among the policies that are kept`, 'm'),
    );
  });

  it('says how many decisions have no digest', async () => {
    await tamper(await one('true'), `metadata = metadata - 'input_digest'`);
    const { code, out } = await run();
    expect(code).toBe(0);
    expect(out).toMatch(/^1 decision without a digest of the input, not looked at$/m);
  });

  it.each([
    ['a time that is none', ['--from', 'yesterday'], /--from must be a time/],
    ['times the wrong way round', ['--from', '2999-01-01'], /--from must be before --to/],
    ['no such file', ['--policy', '/nowhere.yaml'], /nowhere\.yaml: ENOENT/],
    ['a bad file', ['--policy', 'package.json'], /package\.json: line \d+, column \d+: /],
    [
      'no such database',
      ['--database', 'postgres://nobody:x@127.0.0.1:1/none'],
      /Cannot read the decisions: .*ECONNREFUSED/,
    ],
    ['an unknown option', ['--forget'], /unknown option/],
  ])('refuses %s with exit code 2', async (_name, args, reason) => {
    const { code, out, errors } = await run(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(errors).toMatch(reason);
  });
});
