import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { agentToken, waitFor } from '#testing';
import { NO_PROVIDERS, requestIdOf, startRouter, user, type TestRouter } from './harness.js';

const messages = [user('a secret question')];

describe('what the router refuses', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter(NO_PROVIDERS);
  });
  afterAll(() => router.close());
  afterEach(() => {
    router.gatekeeper.fail();
    router.guardian.failing.clear();
    router.guardian.uncertified.clear();
  });

  const refused = async (ghost: string, body: object) => {
    const response = await router.post(ghost, body);
    const problem = (await response.json()) as Record<string, unknown>;
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    return { status: response.status, problem, requestId: requestIdOf(response), headers: response.headers };
  };

  it('401 without a token, before anything else, and leaves a trace', async () => {
    const response = await fetch(`${router.service.url}/v1/chat/completions`, { method: 'POST', body: '{"bad":1}' });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({
      detail: 'Missing Authorization header',
      error: { message: 'Missing Authorization header', type: 'authentication_error' },
    });
    const id = requestIdOf(response);
    const event = await waitFor('the audit event', () => router.gatekeeper.events.find((e) => e.request_id === id));
    expect(event).toMatchObject({ result: 'UNAUTHENTICATED', service: 'router', ghost_id: null });
  });

  it('401 with a token that is not good, also for a model that does not exist, and keeps no decision', async () => {
    const apiKey = await agentToken('Scout', { ttl: -10 });
    const openai = new OpenAI({ baseURL: `${router.service.url}/v1`, apiKey, maxRetries: 0 });
    for (const model of ['echo', 'no-such-model'])
      await expect(openai.chat.completions.create({ model, messages })).rejects.toBeInstanceOf(
        OpenAI.AuthenticationError,
      );
    const rows = await router.service.database.query(`SELECT 1 FROM routing_decisions WHERE ghost_id IS NULL`);
    expect(rows).toEqual([]);
  });

  it('404 for a model that does not exist, in OpenAI words', async () => {
    const openai = await router.client('Scout');
    const error: unknown = await openai.chat.completions.create({ model: 'gpt-9', messages }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' });
    expect((error as Error).message).toContain("The model 'gpt-9' does not exist");
  });

  it('400 for a body that is not a chat request, naming the field', async () => {
    const openai = await router.client('Scout');
    const error: unknown = await openai.chat.completions
      .create({ model: 'echo', messages: [] })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ param: 'messages' });
    const { status, problem } = await refused('Scout', { model: 'echo', messages, complexity: 11 });
    expect([status, problem['detail']]).toEqual([400, expect.stringMatching(/^complexity: /)]);
    const unstorable = await refused('Scout', { model: 'gpt\0', messages });
    expect([unstorable.status, unstorable.problem['detail']]).toEqual([400, expect.stringMatching(/^model: /)]);
  });

  it('403 when the policy denies a named model, with the audit id of the decision', async () => {
    const openai = await router.client('Scout');
    const error: unknown = await openai.chat.completions
      .create({ model: 'gemini-1.5-pro', messages })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(router.gatekeeper.validations.at(-1)).toMatchObject({
      action: 'execute',
      resource: 'shells/l3/gemini-1.5-pro',
      metadata: { requested_model: 'gemini-1.5-pro', session_id: expect.stringMatching(/./) },
    });
    const { status, problem, requestId } = await refused('Scout', { model: 'gemini-1.5-pro', messages });
    expect(status).toBe(403);
    expect(problem).toMatchObject({ code: 'policy_denied', ghost_id: 'Scout', audit_id: expect.stringMatching(/./) });
    expect(problem['detail']).toMatch(/^Access denied by policy/);
    const decision = await router.decision(requestId);
    expect(decision).toMatchObject({ outcome: 'refused', error_code: 'policy_denied', shell: null, ghost_id: 'Scout' });
    expect(decision.candidates).toMatchObject([{ model: 'gemini-1.5-pro', reason: 'policy_denied' }]);
  });

  it('403 without a certificate, in the words of the guardian', async () => {
    router.guardian.uncertified.add('Scout');
    const { status, problem } = await refused('Scout', { model: 'echo', messages });
    expect([status, problem['detail']]).toEqual([403, "Agent 'Scout' lacks a valid certificate"]);
  });

  it.each([
    ['gemma2:27b', 'OLLAMA_URL'],
    ['meta-llama/Meta-Llama-3-70B-Instruct', 'DEEPINFRA_API_KEY'],
    ['gemini-1.5-pro', 'GEMINI_API_KEY'],
    ['claude-3-5-sonnet', 'ANTHROPIC_API_KEY'],
  ])('503 for %s while its provider is not configured, naming %s', async (model, variable) => {
    const { status, problem } = await refused('Supervisor', { model, messages });
    expect([status, problem['code']]).toEqual([503, 'provider_not_configured']);
    expect(problem['detail']).toContain(variable);
    expect(router.guardian.started.filter((session) => session.agent === 'Supervisor')).toEqual([]);
  });

  it('503 when a whole tier is not configured', async () => {
    const { status, problem } = await refused('Supervisor', { messages, complexity: 9 });
    expect([status, problem['code']]).toEqual([503, 'provider_not_configured']);
  });

  it('503 while the gatekeeper is down: nothing is called', async () => {
    router.gatekeeper.fail(500);
    const started = router.guardian.started.length;
    const { status, problem, headers } = await refused('Scout', { model: 'echo', messages });
    expect([status, problem['code'], headers.get('retry-after')]).toEqual([503, 'gatekeeper_unavailable', '1']);
    expect(router.guardian.started).toHaveLength(started);
  });

  it('503 while the guardian is down, and ends a session that may have begun', async () => {
    router.guardian.failing.set('/session/start', 500);
    const { status, problem, requestId } = await refused('Scout', { model: 'echo', messages });
    expect([status, problem['code']]).toEqual([503, 'guardian_unavailable']);
    const { session_id } = await router.decision(requestId);
    await waitFor('the end', () => router.guardian.ended.find((session) => session.session_id === session_id));
  });

  it('answers although the session cannot be ended', async () => {
    router.guardian.failing.set('/session/end', 500);
    const response = await router.post('Scout', { model: 'echo', messages });
    expect(response.status).toBe(200);
  });

  it('413 for a body over 1 MiB', async () => {
    const { status, problem } = await refused('Scout', { model: 'echo', messages: [user('x'.repeat(1024 * 1024))] });
    expect([status, problem['code']]).toEqual([413, 'body_too_large']);
  });
});
