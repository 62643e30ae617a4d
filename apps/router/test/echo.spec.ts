import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { agentToken, waitFor } from '#testing';
import { requestIdOf, startRouter, user, type TestRouter } from './harness.js';

const TEXT = '  One two,\n three.  ';

describe('the built-in model, through the official OpenAI client', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter();
  });
  afterAll(() => router.close());

  it('answers with the last user message and counts words', async () => {
    const openai = await router.client('Scout');
    const completion = await openai.chat.completions.create({
      model: 'echo',
      messages: [
        { role: 'system', content: 'be kind' },
        user('first'),
        { role: 'assistant', content: 'ok' },
        user(TEXT),
      ],
    });
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: 'echo',
      choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    });
  });

  it('streams word by word, exactly the text', async () => {
    const openai = await router.client('Scout');
    const stream = await openai.chat.completions.create({ model: 'echo', messages: [user(TEXT)], stream: true });
    const words: string[] = [];
    let finish: string | null = null;
    for await (const chunk of stream) {
      expect(chunk.usage ?? null).toBeNull();
      if (chunk.choices[0]?.delta.content) words.push(chunk.choices[0].delta.content);
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(words).toEqual(['  ', 'One ', 'two,\n ', 'three.  ']);
    expect(finish).toBe('stop');
  });

  it('reports usage in the last event when asked to', async () => {
    const openai = await router.client('Scout');
    const stream = await openai.chat.completions.create({
      model: 'echo',
      messages: [user('one two three')],
      stream: true,
      stream_options: { include_usage: true },
    });
    let last: unknown;
    for await (const chunk of stream) last = chunk;
    expect(last).toMatchObject({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 3 } });
  });

  it('sends a stream that nothing on the way holds back, ending with [DONE]', async () => {
    const response = await router.post('Scout', { model: 'echo', stream: true, messages: [user('a b')] });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect((await response.text()).endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('reads text parts, and keeps a large text whole', async () => {
    const words = Array.from({ length: 60_000 }, (_, i) => `word${i}`).join(' ');
    const content = [
      { type: 'text' as const, text: 'begin ' },
      { type: 'text' as const, text: words },
    ];
    const openai = await router.client('Scout');
    const stream = await openai.chat.completions.create({
      model: 'echo',
      messages: [{ role: 'user', content }],
      stream: true,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(`begin ${words}`);
  });

  it('starts a session before, and ends it after', async () => {
    const response = await router.post('Scout', { model: 'echo', messages: [user('x')] });
    const { session_id, ghost_id } = await router.decision(requestIdOf(response));
    expect(ghost_id).toBe('Scout');
    expect(router.guardian.started).toContainEqual({ agent: 'Scout', session_id, metadata: { model: 'echo' } });
    const ended = await waitFor('the end of the session', () =>
      router.guardian.ended.find((session) => session.session_id === session_id),
    );
    expect(ended.outcome).toBe('succeeded');
  });

  it('lists models and ghosts for the client', async () => {
    const openai = await router.client('Scout');
    const models = (await openai.models.list()).data;
    expect(models).toContainEqual(expect.objectContaining({ id: 'echo', object: 'model', owned_by: 'builtin' }));
    expect(models).toContainEqual(expect.objectContaining({ id: 'Scout', owned_by: 'gravitas' }));
    expect(models).toHaveLength(11);
    expect(Number.isInteger(models[0]?.created)).toBe(true);
  });

  it('wants a token for the list', async () => {
    expect((await fetch(`${router.service.url}/v1/models`)).status).toBe(401);
    const expired = await agentToken('Scout', { ttl: -10 });
    const headers = { authorization: `Bearer ${expired}` };
    expect((await fetch(`${router.service.url}/v1/models`, { headers })).status).toBe(401);
  });
});
