import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { agentToken, createTestDatabase, serviceToken, startService } from '#testing';
import { router as definition } from '../src/app.module.js';
import { startRouter, user, type TestRouter } from './harness.js';

const model = (extra: object = {}) => ({
  tier: 'L1',
  provider: 'builtin',
  context_window: 1000,
  cost_per_1k_input: 0,
  cost_per_1k_output: 0,
  capabilities: ['chat'],
  ...extra,
});
const MODELS = { echo: model(), big: model({ tier: 'L3', provider: 'openai', cost_per_1k_input: 0.5 }) };
const GHOSTS = { Tester: { preferred: 'big', fallbacks: ['echo'] } };

describe('the registry', () => {
  let router: TestRouter;
  let folder: string;
  let modelsPath: string;
  let ghostsPath: string;

  // JSON is YAML, too.
  const files = async (models: object, ghosts: object) => {
    await writeFile(modelsPath, JSON.stringify({ models }));
    await writeFile(ghostsPath, JSON.stringify({ ghosts }));
  };
  const call = async (method: string, path: string, token: Promise<string>) => {
    const headers = { authorization: `Bearer ${await token}` };
    const response = await fetch(`${router.service.url}${path}`, { method, headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const reload = (ghost = 'Supervisor') => call('POST', '/v1/registry/reload', agentToken(ghost));
  const models = async (query = '') => {
    const { body } = await call('GET', `/v1/registry/models${query}`, serviceToken('lobby', 'router'));
    return body as { models: Record<string, object>; count: number };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gravitas-registry-'));
    modelsPath = join(folder, 'models.yaml');
    ghostsPath = join(folder, 'ghosts.yaml');
    await files(MODELS, GHOSTS);
    router = await startRouter({ ROUTER_MODELS_PATH: modelsPath, ROUTER_GHOSTS_PATH: ghostsPath });
  });
  afterAll(async () => {
    await router.close();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    await files(MODELS, GHOSTS);
    expect((await reload()).status).toBe(200);
  });

  it('lists models, filtered by tier and provider, and says which can be called', async () => {
    expect(await models()).toMatchObject({
      count: 2,
      models: { echo: { available: true }, big: { available: false, cost_per_1k_input: 0.5, tier: 'L3' } },
    });
    expect(Object.keys((await models('?tier=L3')).models)).toEqual(['big']);
    expect(Object.keys((await models('?provider=builtin')).models)).toEqual(['echo']);
    expect(await models('?tier=L2')).toEqual({ models: {}, count: 0 });
  });

  it('refuses a tier that does not exist, and callers without a token', async () => {
    expect((await call('GET', '/v1/registry/models?tier=L9', agentToken('Scout'))).status).toBe(400);
    expect((await fetch(`${router.service.url}/v1/registry/models`)).status).toBe(401);
    expect((await fetch(`${router.service.url}/v1/registry/reload`, { method: 'POST' })).status).toBe(401);
  });

  it('reloads only for who may write router/registry', async () => {
    expect((await reload('Scout')).status).toBe(403);
    expect(router.gatekeeper.validations.at(-1)).toMatchObject({ action: 'write', resource: 'router/registry' });
  });

  it('says what a reload changed, and retires what left the file without deleting it', async () => {
    const none = { added: [], updated: [], retired: [] };
    expect((await reload()).body).toEqual({
      models: 2,
      ghosts: 1,
      changed: false,
      changes: { models: none, ghosts: none },
    });

    const next = { ...MODELS, echo: model({ context_window: 5 }), extra: model() };
    await files({ echo: next.echo, extra: next.extra }, { Tester: { preferred: 'extra' } });
    expect((await reload()).body).toEqual({
      models: 2,
      ghosts: 1,
      changed: true,
      changes: {
        models: { added: ['extra'], updated: ['echo'], retired: ['big'] },
        ghosts: { added: [], updated: ['Tester'], retired: [] },
      },
    });
    expect(Object.keys((await models()).models)).toEqual(['echo', 'extra']);
    const rows = await router.service.database.query(
      'SELECT name FROM shells WHERE retired_at IS NOT NULL ORDER BY name',
    );
    expect(rows).toEqual([{ name: 'big' }]);
    expect((await router.post('Supervisor', { model: 'big', messages: [user('x')] })).status).toBe(404);
  });

  it.each([
    ['YAML that cannot be read', '{', GHOSTS],
    ['a member that does not exist', JSON.stringify({ models: { echo: model({ cost: 1 }) } }), {}],
    ['a price below zero', JSON.stringify({ models: { echo: model({ cost_per_1k_input: -1 }) } }), {}],
    ['an unknown provider', JSON.stringify({ models: { echo: model({ provider: 'acme' }) } }), {}],
    ['no models', JSON.stringify({ models: {} }), {}],
    ['a name of the router', JSON.stringify({ models: { auto: model() } }), {}],
    ['a ghost without its shell', JSON.stringify({ models: { echo: model() } }), { G: { preferred: 'toString' } }],
    ['a ghost named like a model', JSON.stringify({ models: { echo: model() } }), { echo: { preferred: 'echo' } }],
  ])('400 for %s, with file and reason, and keeps what is in force', async (_name, text, ghosts) => {
    await files({}, ghosts);
    await writeFile(modelsPath, text);
    const { status, body } = await reload();
    expect([status, body['code']]).toEqual([400, 'registry_invalid']);
    expect(body['detail']).toContain(folder);
    expect(Object.keys((await models()).models)).toEqual(['echo', 'big']);
  });

  it('does not start with a bad file, and says why', async () => {
    await writeFile(modelsPath, 'models: 7');
    const database = await createTestDatabase('router');
    const environment = { ROUTER_MODELS_PATH: modelsPath, ROUTER_GHOSTS_PATH: ghostsPath };
    await expect(startService('router', definition, { environment, database })).rejects.toThrow(
      /models\.yaml: models: /,
    );
    await database.drop();
  });

  it('two instances that start at once on a new database both come up with the same registry', async () => {
    const database = await createTestDatabase('router');
    const environment = { ROUTER_MODELS_PATH: modelsPath, ROUTER_GHOSTS_PATH: ghostsPath };
    const start = () => startService('router', definition, { environment, database });
    const both = await Promise.all([start(), start()]);
    expect(await database.query('SELECT name FROM shells ORDER BY position')).toEqual([
      { name: 'echo' },
      { name: 'big' },
    ]);
    await Promise.all(both.map((one) => one.stop()));
    await database.drop();
  });
});
