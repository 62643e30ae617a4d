import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { waitFor } from '#testing';
import { KEY, requestIdOf, startRouter, user, type TestRouter } from './harness.js';
import { answer, cutOff, refuse, stall } from './stand-in-upstream.js';

const messages = [user('hi')];

describe('calls to providers', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter();
  });
  afterAll(() => router.close());
  beforeEach(() => {
    router.upstream.calls.length = 0;
  });
  afterEach(() => router.upstream.behave(answer('hello')));

  const failing = async (body: object, asked = router) => {
    const response = await asked.post('Supervisor', { messages, ...body });
    const text = await response.text();
    expect(text).not.toContain(KEY);
    return { status: response.status, headers: response.headers, problem: JSON.parse(text) as Record<string, unknown> };
  };

  it("passes on the provider's answer, as of the shell that was asked", async () => {
    const openai = await router.client('Supervisor');
    const completion = await openai.chat.completions.create({ model: 'claude-3-5-sonnet', messages });
    expect(completion).toMatchObject({
      model: 'claude-3-5-sonnet',
      choices: [{ message: { content: 'hello' } }],
      system_fingerprint: 'kept',
    });
  });

  it('sends what the caller said, without our own members, under the name and with the key of the provider', async () => {
    await router.post('Supervisor', {
      model: 'claude-3-5-sonnet',
      messages,
      temperature: 0.1,
      complexity: 3,
      priority: 'high',
    });
    expect(router.upstream.calls).toEqual([
      {
        path: '/anthropic/chat/completions',
        authorization: `Bearer ${KEY}`,
        body: { model: 'claude-3-5-sonnet-latest', messages, temperature: 0.1 },
      },
    ]);
  });

  it('calls Ollama without a key, below /v1', async () => {
    await router.post('Scout', { model: 'gemma2:27b', messages });
    expect(router.upstream.calls[0]).toMatchObject({ path: '/v1/chat/completions', authorization: undefined });
  });

  it('400 with the words of the provider when it does not accept the request', async () => {
    router.upstream.behave(refuse(400, { error: { message: 'too many tokens', param: 'max_tokens' } }));
    const { status, problem } = await failing({ model: 'gemini-1.5-pro' });
    expect([status, problem['detail'], problem['param']]).toEqual([400, 'too many tokens', 'max_tokens']);
    const openai = await router.client('Supervisor');
    await expect(openai.chat.completions.create({ model: 'gemini-1.5-pro', messages })).rejects.toBeInstanceOf(
      OpenAI.BadRequestError,
    );
  });

  it('429 with Retry-After when it wants us to slow down', async () => {
    router.upstream.behave(refuse(429, [{ error: { message: 'quota' } }], { 'retry-after': '7' }));
    const { status, headers, problem } = await failing({ model: 'gemini-1.5-pro' });
    expect([status, headers.get('retry-after'), problem['code']]).toEqual([429, '7', 'upstream_rate_limited']);
    expect(problem['detail']).toContain('quota');
  });

  it.each([401, 403])('502 provider_credentials for its %i: the key is ours, and stays ours', async (refused) => {
    router.upstream.behave(refuse(refused, { error: { message: `Incorrect API key provided: ${KEY}` } }));
    const { status, problem } = await failing({ model: 'gemini-1.5-pro' });
    expect([status, problem['code']]).toEqual([502, 'provider_credentials']);
    expect(problem['detail']).toContain('GEMINI_API_KEY');
  });

  it.each([
    ['a 5xx', refuse(500, { error: `broken with ${KEY}` }), /broken with \[key\]/],
    ['a refusal that is nobody’s fault here', refuse(404, { error: { message: 'pull it first' } }), /pull it first/],
    ['a broken connection', cutOff, /closed|hang up|reset/i],
    ['an answer that is none', refuse(200, { hello: 1 }), /not a chat completion/],
  ])('502 upstream_error for %s', async (_name, behaviour, detail) => {
    router.upstream.behave(behaviour);
    const { status, problem } = await failing({ model: 'gemini-1.5-pro' });
    expect([status, problem['code']]).toEqual([502, 'upstream_error']);
    expect(problem['detail']).toMatch(detail);
    expect(problem['error']).toMatchObject({ type: 'server_error', code: 'upstream_error' });
  });

  describe('that are silent', () => {
    let impatient: TestRouter;
    beforeAll(async () => {
      impatient = await startRouter({ ROUTER_PROVIDER_TIMEOUT_MS: '2000' });
    });
    afterAll(() => impatient.close());

    it('502 upstream_error, naming the limit', async () => {
      impatient.upstream.behave(stall);
      const { status, problem } = await failing({ model: 'gemini-1.5-pro' }, impatient);
      expect([status, problem['code']]).toEqual([502, 'upstream_error']);
      expect(problem['detail']).toMatch(/within 2000 ms/);
      expect(problem['error']).toMatchObject({ type: 'server_error', code: 'upstream_error' });
    });

    it('goes on to the next shell where the choice is open', async () => {
      impatient.upstream.behave((response, call) =>
        (call.body['model'] === 'llama3:70b' ? answer('from llama') : stall)(response, call),
      );
      const decision = await waitFor(
        'an answer of the next that is not late',
        async () => {
          const response = await impatient.post('Scout', { model: 'auto', messages });
          expect([response.status, await response.json()]).toMatchObject([200, { object: 'chat.completion' }]);
          const made = await impatient.decision(requestIdOf(response));
          return made.shell === 'llama3:70b' && made;
        },
        20_000,
      );
      expect(decision).toMatchObject({ outcome: 'succeeded', tier: 'L1', provider: 'ollama' });
      expect(decision.candidates).toMatchObject([{ model: 'gemma2:27b' }]);
      const sessions = impatient.guardian.started.filter((session) => session.session_id === decision.session_id);
      expect(sessions).toHaveLength(1);
    });
  });

  it('502 when nobody listens there', async () => {
    const lonely = await startRouter({ OLLAMA_URL: 'http://127.0.0.1:9' });
    const response = await lonely.post('Scout', { model: 'gemma2:27b', messages });
    expect(response.status).toBe(502);
    const { outcome, error_code, shell } = await lonely.decision(requestIdOf(response));
    expect([outcome, error_code, shell]).toEqual(['failed', 'upstream_error', 'gemma2:27b']);
    await lonely.close();
  });

  describe('where the choice is open', () => {
    const ask = async (ghost: string, body: object) => {
      const response = await router.post(ghost, { messages, ...body });
      const decision = await router.decision(requestIdOf(response));
      const { model } = (await response.json()) as { model?: string };
      const reasons = decision.candidates.map((candidate) => `${candidate.model}: ${candidate.reason}`);
      return { status: response.status, model, decision, reasons };
    };

    it.each([
      ['a 5xx', refuse(503, {})],
      ['a 429', refuse(429, {})],
      ['bad credentials', refuse(401, {})],
      ['a broken connection', cutOff],
    ])('goes on to the next shell after %s', async (_name, behaviour) => {
      router.upstream.behave((response, call) =>
        (call.body['model'] === 'llama3:70b' ? answer('from llama') : behaviour)(response, call),
      );
      const { status, model, decision } = await ask('Scout', { model: 'auto' });
      expect([status, model]).toEqual([200, 'llama3:70b']);
      expect(decision).toMatchObject({ outcome: 'succeeded', shell: 'llama3:70b', tier: 'L1', provider: 'ollama' });
      expect(decision.candidates).toMatchObject([{ model: 'gemma2:27b' }]);
      expect(router.guardian.started.filter((session) => session.session_id === decision.session_id)).toHaveLength(1);
    });

    it('does not go on after a 400: another would say the same', async () => {
      router.upstream.behave(refuse(400, { error: { message: 'no' } }));
      expect((await ask('Scout', { model: 'auto' })).status).toBe(400);
      expect(router.upstream.calls).toHaveLength(1);
    });

    it("runs a ghost on its fallback where the policy denies its preferred shell, asking for each one's right", async () => {
      const { model, reasons } = await ask('Scout', { model: 'Scout' });
      expect(model).toBe('gemma2:27b');
      expect(reasons).toEqual(['gemini-1.5-flash: policy_denied']);
      expect(router.gatekeeper.validations.slice(-2).map(({ resource }) => resource)).toEqual([
        'shells/l3/gemini-1.5-flash',
        'shells/l1/gemma2:27b',
      ]);
    });

    it('ends at the built-in model when no other answers', async () => {
      router.upstream.behave(refuse(500, {}));
      const { model, reasons } = await ask('Scout', { model: 'auto' });
      expect(model).toBe('echo');
      expect(reasons).toEqual([
        'gemma2:27b: upstream_error',
        'llama3:70b: upstream_error',
        'qwen2.5-coder:32b: upstream_error',
        'meta-llama/Meta-Llama-3-70B-Instruct: policy_denied',
      ]);
    });

    it('asks frontier models above complexity 8, local ones first at 8', async () => {
      expect((await ask('Supervisor', { complexity: 9 })).model).toBe('gemini-1.5-pro');
      expect((await ask('Supervisor', { complexity: 8 })).model).toBe('gemma2:27b');
    });

    it('keeps to a forced tier', async () => {
      expect((await ask('Supervisor', { force_tier: 'L2' })).model).toBe('meta-llama/Meta-Llama-3-70B-Instruct');
      expect((await ask('Supervisor', { model: 'Supervisor', force_tier: 'L1' })).model).toBe('echo');
    });

    it('answers with the last refusal when none is left', async () => {
      const { status, decision } = await ask('Scout', { complexity: 10 });
      expect(status).toBe(403);
      expect(decision).toMatchObject({ outcome: 'refused', error_code: 'policy_denied', shell: null });
      expect(decision.candidates).toHaveLength(3);
    });
  });
});
