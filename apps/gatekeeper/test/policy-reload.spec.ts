import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { AuditLogger } from '#audit';
import { agentToken, startService, waitFor, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';
import { Policy, PolicySource, SourceWatch } from '../src/policy/core/index.js';
import { PolicyStore } from '../src/policy/policy-store.js';

const policyFor = (resource: string) => `
groups:
  admin: { permissions: [{ action: '*', resource: '*' }] }
  readers: { permissions: [{ action: read, resource: ${resource} }, { action: read, resource: secret, effect: deny }] }
ghost_mappings: { Supervisor: [admin], Reader: [readers] }
`;

interface PolicyHealth {
  loaded: boolean;
  version: string | null;
  problem?: string;
  problem_since?: string;
}

describe('a policy file that changes', () => {
  let directory: string;
  let file: string;
  let service: TestService;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gravitas-policy-'));
    file = join(directory, 'policy.yaml');
    await writeFile(file, policyFor('one'));
  });
  afterEach(async () => {
    await service.close();
    await rm(directory, { recursive: true });
  });

  const start = async (environment: Record<string, string> = {}) => {
    service = await startService('gatekeeper', gatekeeper, {
      environment: { ACCESS_POLICY_PATH: file, ...environment },
    });
  };
  /** In one go: what is written in place can be seen half, where the disk is slow. */
  const put = async (text: string) => {
    await writeFile(join(directory, 'next'), text);
    await rename(join(directory, 'next'), file);
  };
  const store = () => service.app.get(PolicyStore);
  const may = (resource: string) => store().decide(['readers'], 'read', resource).allowed;
  const health = async () => {
    const answer = await request(service.url).get('/health');
    return { status: answer.status, ...(answer.body as { policy: PolicyHealth }).policy };
  };
  const reload = async () =>
    request(service.url)
      .post('/v1/policy/reload')
      .set('authorization', `Bearer ${await agentToken('Supervisor')}`);
  const loads = async () => {
    await service.app.get(AuditLogger).flush();
    return service.database.query(
      `SELECT result, ghost_id, reason, metadata->>'source' AS source, metadata->>'old_version' AS old,
              metadata->>'new_version' AS new
       FROM audit_log WHERE action = 'policy.load' ORDER BY timestamp, sequence`,
    );
  };
  const kept = () =>
    service.database.query(
      'SELECT version, rules, source, loaded_by, canonical FROM access_policies ORDER BY first_loaded_at',
    );

  it('comes into force by itself, is kept by its version, and recorded', async () => {
    await start();
    const first = store().current.version;
    await put(policyFor('two'));
    await waitFor('the new policy', () => may('two'));
    expect(may('one')).toBe(false);
    const second = store().current.version;
    expect(await loads()).toEqual([
      { result: 'SUCCEEDED', ghost_id: null, reason: expect.any(String), source: 'boot', old: null, new: first },
      { result: 'SUCCEEDED', ghost_id: null, reason: expect.any(String), source: 'watch', old: first, new: second },
    ]);
    const rows = await kept();
    expect(rows).toMatchObject([
      { version: first, rules: 3, source: 'boot', loaded_by: null },
      { version: second, rules: 3, source: 'watch', loaded_by: null },
    ]);
    for (const { version, canonical } of rows) expect(Policy.fromCanonical(canonical).version).toBe(version);
  });

  it('is seen when another file is renamed into its place', async () => {
    await start();
    for (const resource of ['two', 'three']) {
      await put(policyFor(resource));
      await waitFor(resource, () => may(resource));
    }
  });

  it('is seen when a symbolic link is swapped, as Kubernetes does it', async () => {
    for (const name of ['one', 'two']) {
      await mkdir(join(directory, `..${name}`));
      await writeFile(join(directory, `..${name}`, 'policy.yaml'), policyFor(name));
    }
    await rm(file);
    await symlink('..one', join(directory, '..data'));
    await symlink('..data/policy.yaml', file);
    await start();
    expect(may('one')).toBe(true);
    // One that looks only where the file system gives a hint.
    const source = new PolicySource(file);
    const before = await source.signature();
    let hinted = false;
    const isKnown = (signature: string) => signature === before;
    const onChange = () => Promise.resolve(void (hinted = true));
    const watch = new SourceWatch({ source, isKnown, onChange, everyMs: 600_000 });
    try {
      await watch.start();
      await symlink('..two', join(directory, '..data_tmp'));
      await rename(join(directory, '..data_tmp'), join(directory, '..data'));
      await waitFor('the new policy', () => may('two'));
      await waitFor('the hint', () => hinted);
    } finally {
      await watch.close();
    }
  });

  it('is seen by the regular look where the file system gives no hint', async () => {
    const elsewhere = join(directory, 'elsewhere');
    await mkdir(elsewhere);
    await rename(file, join(elsewhere, 'real.yaml'));
    await symlink('elsewhere/real.yaml', file);
    await start();
    await writeFile(join(elsewhere, 'real.yaml'), policyFor('two'));
    await waitFor('the new policy', () => may('two'), 15_000);
  });

  it('is refused when it is bad, with the line and since when, once; the old one stays until it is good again', async () => {
    await start();
    const { version } = store().current;
    await put(policyFor('two').replace('effect: deny', 'effect: denied'));
    const refused = await waitFor('the refusal', async () => {
      const { status, ...rest } = await health();
      return status === 200 && rest.problem && rest;
    });
    expect(refused).toMatchObject({ loaded: true, version });
    expect(refused.problem).toMatch(new RegExp(`^${file}: line 4, column \\d+: .*effect: expected allow or deny`));
    expect(Date.parse(refused.problem_since!)).toBeLessThanOrEqual(Date.now());
    expect([may('one'), may('two')]).toEqual([true, false]);

    // Whatever else happens in the directory, it is the same refusal.
    await writeFile(join(directory, 'other'), 'x');
    await put(policyFor('two'));
    await waitFor('the new policy', () => may('two'));
    expect(await health()).not.toHaveProperty('problem');
    expect(await loads()).toMatchObject([
      { result: 'SUCCEEDED', source: 'boot' },
      { result: 'FAILED', source: 'watch', old: version, new: null, reason: refused.problem },
      { result: 'SUCCEEDED', source: 'watch', old: version, new: store().current.version },
    ]);
  });

  it('may be gone for a while: the policy stays', async () => {
    await start();
    await rm(file);
    await waitFor('the refusal', async () => /ENOENT/.test((await health()).problem ?? ''));
    expect(may('one')).toBe(true);
    await put(policyFor('one'));
    await waitFor('health', async () => (await health()).problem === undefined);
    expect(await loads()).toHaveLength(2);
  });

  it('may come later: until then everything is denied', async () => {
    await rm(file);
    await start();
    expect(await health()).toMatchObject({ status: 503, loaded: false, problem: expect.stringMatching(/ENOENT/) });
    expect(store().decide(['readers'], 'read', 'one')).toMatchObject({ allowed: false, reason: 'no policy is loaded' });
    await writeFile(file, policyFor('one'));
    await waitFor('the policy', () => may('one'));
    await waitFor('health', async () => (await health()).status === 200);
    expect(await health()).toMatchObject({ loaded: true });
  });

  it('waits for the order where it is not watched, and says who gave it', async () => {
    await start({ ACCESS_POLICY_WATCH: 'false' });
    await writeFile(file, policyFor('two'));
    const answer = await reload();
    expect(answer.body).toMatchObject({ changed: true, policy_version: store().current.version });
    await writeFile(file, 'groups: [');
    expect((await reload()).body).toMatchObject({ status: 400, code: 'policy_invalid' });
    expect((await reload()).body).toMatchObject({ status: 400, code: 'policy_invalid' });
    expect(await loads()).toMatchObject([
      { result: 'SUCCEEDED', source: 'boot' },
      { result: 'SUCCEEDED', source: 'reload', ghost_id: 'Supervisor' },
      { result: 'FAILED', source: 'reload', ghost_id: 'Supervisor' },
      { result: 'FAILED', source: 'reload', ghost_id: 'Supervisor' },
    ]);
    expect(await kept()).toMatchObject([{ source: 'boot' }, { source: 'reload', loaded_by: 'Supervisor' }]);
  });

  it.each([
    ['refuses', 'REVOKE INSERT ON access_policies FROM', 'GRANT INSERT ON access_policies TO', ''],
    ['is away', 'ALTER ROLE', 'ALTER ROLE', 'LOGIN'],
  ])(
    'does not come into force before it is kept: 503 while the database %s, and then by itself',
    async (_name, take, give, login) => {
      await start();
      const { version } = store().current;
      const { name } = service.database;
      await service.database.query(`${take} ${name} ${login && 'NOLOGIN'}`);
      if (login)
        await waitFor('its sessions to be gone', async () => {
          const ended = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1';
          return (await service.database.query(ended, [name])).length === 0;
        });
      await writeFile(file, policyFor('two'));
      const answer = await reload();
      expect(answer.body).toMatchObject({ status: 503, code: 'policy_not_kept' });
      expect(answer.headers['retry-after']).toBe('5');
      expect(store().current.version).toBe(version);
      expect(await health()).toMatchObject({ loaded: true, version, problem: expect.stringMatching(/cannot be kept/) });
      await service.database.query(`${give} ${name} ${login}`);
      await waitFor('the new policy', () => may('two'), 15_000);
      expect(await health()).not.toHaveProperty('problem');
    },
  );

  it('cannot be changed or removed once it is kept, by the service itself', async () => {
    await start();
    const { name } = service.database;
    const rights = await service.database.query(
      `SELECT privilege_type AS right FROM information_schema.role_table_grants
       WHERE table_name = 'access_policies' AND grantee = $1 ORDER BY 1`,
      [name],
    );
    expect(rights.map(({ right }) => right as string)).toEqual(['INSERT', 'SELECT']);
  });

  it('is swapped under load: each decision is explained by exactly one of the two versions', async () => {
    const shared = `{ action: read, resource: both }`;
    const versions = [policyFor('odd'), policyFor('even')].map((yaml) =>
      yaml.replace('permissions: [{ action: read', `permissions: [${shared}, { action: read`),
    );
    await writeFile(file, versions[0]!);
    await start({ ACCESS_POLICY_WATCH: 'false' });
    const token = await agentToken('Reader');
    const answers: { version: string; resource: string; status: number; reason: string }[] = [];
    let stop = false;
    const asker = async () => {
      while (!stop) {
        const resource = ['odd', 'even', 'both', 'secret'][answers.length % 4]!;
        const answer = await request(service.url)
          .post('/validate')
          .set('authorization', `Bearer ${token}`)
          .send({ action: 'read', resource });
        const { policy_version: version, reason } = answer.body as { policy_version: string; reason: string };
        answers.push({ version, resource, status: answer.status, reason });
      }
    };
    const askers = Array.from({ length: 6 }, asker);
    const seen = new Map([[store().current.version, 'odd']]);
    try {
      for (let i = 1; i <= 8; i++) {
        await writeFile(file, versions[i % 2]!);
        const answer = await reload();
        const { policy_version: current } = answer.body as { policy_version: string };
        seen.set(current, i % 2 === 0 ? 'odd' : 'even');
        await waitFor('decisions under it', () => answers.some(({ version }) => version === current));
      }
    } finally {
      stop = true;
      await Promise.all(askers);
    }
    expect(seen.size).toBe(2);
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(seen.keys()));
    for (const { version, resource, status, reason } of answers) {
      const allowed = resource === 'both' || resource === seen.get(version);
      expect({ version, resource, status, reason }).toEqual({
        version,
        resource,
        status: allowed ? 200 : 403,
        reason: allowed
          ? `group readers may read ${resource}`
          : resource === 'secret'
            ? 'group readers must not read secret'
            : 'no rule of readers allows it',
      });
    }
  });
});
