import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import request from 'supertest';
import { waitFor } from '#testing';
import { Harness } from './harness.js';
import { refusals } from './stand-in-router.js';

const messages = [
  { role: 'system' as const, content: 'be brief' },
  { role: 'user' as const, content: 'the quick brown fox' },
];

describe('POST /v1/chat/completions', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.close());
  beforeEach(async () => {
    await harness.service.database.query('TRUNCATE history');
    harness.router.requests.length = 0;
    harness.router.cancelled = 0;
  });

  const said = async () =>
    (await harness.history('Scout')).history.map(({ role, content, status }) => [role, content, status]);

  it("answers OpenAI's client, passes the agent's own token on, and keeps what was said", async () => {
    const client = await harness.openai();
    const answer = await client.chat.completions.create({ model: 'echo', messages });
    expect(answer.choices[0]!.message.content).toBe('the quick brown fox');
    expect(harness.router.requests[0]!.headers.authorization).toBe(`Bearer ${client.apiKey}`);
    const { history } = await harness.history('Scout');
    expect(history).toMatchObject([
      { ghost_id: 'Scout', role: 'assistant', content: 'the quick brown fox', model: 'echo-1', status: 'complete' },
      { ghost_id: 'Scout', role: 'user', content: 'the quick brown fox', model: null, status: 'complete' },
    ]);
    expect(history[0]!.request_id).toBe(harness.router.requests[0]!.headers['x-request-id']);
  });

  it('forwards the body as it came, without defaults and with members of which it knows nothing', async () => {
    const body = { messages, temperature: 0.5, metadata: { a: [1] } };
    await harness.post('Scout', '/v1/chat/completions', body);
    expect(harness.router.requests[0]!.body).toEqual(body);
  });

  it("streams to OpenAI's client, and has the history when the stream ends", async () => {
    const client = await harness.openai();
    const stream = await client.chat.completions.create({ model: 'echo', messages, stream: true });
    const words: string[] = [];
    for await (const chunk of stream) words.push(chunk.choices[0]!.delta.content ?? '');
    expect(words).toEqual(['the ', 'quick ', 'brown ', 'fox']);
    const { history } = await harness.history('Scout');
    expect(history[0]).toMatchObject({ content: 'the quick brown fox', session_id: 'session-1', status: 'complete' });
  });

  it('passes each chunk on when it comes, not at the end, and [DONE] after the history is kept', async () => {
    const response = await harness.stream('hold');
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    expect(text).toContain('first ');
    expect(text).not.toContain('second');
    harness.router.release();
    while (!text.includes('[DONE]')) text += (await reader.read()).value!;
    expect(await said()).toEqual([
      ['assistant', 'first second', 'complete'],
      ['user', 'go', 'complete'],
    ]);
    await reader.cancel();
  });

  it.each(Object.entries(refusals))('passes the refusal %s on as it is, and keeps nothing', async (model, refusal) => {
    const answer = await harness.post('Scout', '/v1/chat/completions', { model, messages });
    expect(answer.status).toBe(refusal.status);
    expect(answer.headers).toMatchObject({ 'content-type': 'application/problem+json', 'retry-after': '7' });
    expect(answer.body).toMatchObject({
      code: refusal.code,
      audit_id: 'a-1',
      error: { message: `refused: ${refusal.code}`, type: refusal.type, code: refusal.code, param: null },
    });
    expect(await said()).toEqual([]);
  });

  it("makes OpenAI's client throw its own error classes", async () => {
    const client = await harness.openai();
    const ask = (model: string) => client.chat.completions.create({ model, messages });
    await expect(ask('missing')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(ask('denied')).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
    await expect(ask('busy')).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    await expect(client.chat.completions.create({ model: 'echo', messages: [] })).rejects.toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param: 'messages',
    });
    const stranger = new OpenAI({ baseURL: `${harness.service.url}/v1`, apiKey: 'no', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  it('wants an agent: neither nobody nor a service', async () => {
    const body = { messages };
    expect((await harness.post('nobody', '/v1/chat/completions', body)).status).toBe(401);
    const service = await harness.post('router', '/v1/chat/completions', body);
    expect([service.status, service.body]).toMatchObject([403, { code: 'agent_token_required' }]);
    expect(harness.router.requests).toEqual([]);
  });

  it('refuses a bad body before it asks the router', async () => {
    const answer = await harness.post('Scout', '/v1/chat/completions', { messages: [{ role: 'king' }] });
    expect([answer.status, answer.body]).toMatchObject([400, { error: { param: 'messages.0.role' } }]);
    expect(harness.router.requests).toEqual([]);
  });

  it('refuses a body of more than 1 MiB', async () => {
    const body = { messages: [{ role: 'user', content: 'x'.repeat(1024 * 1024) }] };
    expect((await harness.post('Scout', '/v1/chat/completions', body)).status).toBe(413);
  });

  it('cancels the call to the router when its client goes away, and keeps what came', async () => {
    const leave = new AbortController();
    const response = await harness.stream('stall', leave.signal);
    await response.body!.getReader().read();
    leave.abort();
    await waitFor('the router to notice', () => harness.router.cancelled === 1);
    await waitFor('the history', async () => (await said()).length === 2);
    expect(await said()).toEqual([
      ['assistant', 'all that came', 'partial'],
      ['user', 'go', 'complete'],
    ]);
  });

  it('cancels the call also before the router has begun to answer', async () => {
    const leave = new AbortController();
    const call = fetch(`${harness.service.url}/v1/chat/completions`, {
      method: 'POST',
      signal: leave.signal,
      headers: await harness.authorization('Scout'),
      body: JSON.stringify({ model: 'stall', messages }),
    }).catch((error: Error) => error.name);
    await waitFor('the router to be asked', () => harness.router.requests.length === 1);
    leave.abort();
    expect(await call).toBe('AbortError');
    await waitFor('the router to notice', () => harness.router.cancelled === 1);
    expect(await said()).toEqual([]);
  });

  it('does not end a stream properly that broke off, and keeps what came', async () => {
    const response = await harness.stream('break');
    await expect(response.text()).rejects.toThrow();
    expect(await said()).toEqual([
      ['assistant', 'half an ans', 'partial'],
      ['user', 'go', 'complete'],
    ]);
  });

  it('passes on an error within a stream, and keeps what came as partial', async () => {
    const text = await (await harness.stream('error')).text();
    expect(text).toContain('data: {"error":{"message":"the provider failed"}}');
    expect(await said()).toContainEqual(['assistant', 'so far', 'partial']);
  });

  it('answers 502 when a whole answer breaks off', async () => {
    const answer = await harness.post('Scout', '/v1/chat/completions', { model: 'break', messages });
    expect([answer.status, answer.body]).toMatchObject([502, { code: 'router_answer_broken' }]);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(await said()).toContainEqual(['assistant', '', 'partial']);
  });

  it('passes on all of a long answer, and keeps 256 KiB of it, marked', async () => {
    const text = await (await harness.stream('flood')).text();
    expect(text.length).toBeGreaterThan(2_000_000);
    const { history } = await harness.history('Scout');
    expect(history[0]).toMatchObject({ content: 'x'.repeat(256 * 1024), truncated: true, status: 'complete' });
  });

  it('gives the answer also when history cannot be written, and counts what is lost', async () => {
    await harness.breakDatabase();
    try {
      const answer = await harness.post('Scout', '/v1/chat/completions', { messages });
      expect([answer.status, answer.body]).toMatchObject([200, { object: 'chat.completion' }]);
      expect(await (await harness.stream('echo')).text()).toContain('[DONE]');
    } finally {
      await harness.mendDatabase();
    }
    const { text } = await request(harness.service.url).get('/metrics');
    expect(text).toContain('gravitas_lobby_history_lost_total 4');
    expect(await said()).toEqual([]);
  });

  it('keeps what came of a stream that the end of the process cuts off', async () => {
    const ending = await Harness.start({ SHUTDOWN_TIMEOUT_MS: '200000' });
    const body = (await ending.stream('stall')).body!.getReader();
    await body.read();
    const stopped = ending.service.stop();
    ending.service.app.getHttpServer().closeAllConnections();
    await expect(body.read()).rejects.toThrow();
    await stopped;
    await waitFor('the router to notice', () => ending.router.cancelled === 1);
    expect(await ending.service.database.query('SELECT content, status FROM history ORDER BY role')).toEqual([
      { content: 'all that came', status: 'partial' },
      { content: 'go', status: 'complete' },
    ]);
    await ending.close();
  });

  it('says 503 when the router does not answer', async () => {
    const alone = await Harness.start({ ROUTER_URL: 'http://127.0.0.1:1' });
    const answer = await alone.post('Scout', '/v1/chat/completions', { messages });
    expect([answer.status, answer.body]).toMatchObject([
      503,
      { code: 'router_unavailable', error: { type: 'server_error' } },
    ]);
    expect((await alone.get('Scout', '/v1/models')).status).toBe(503);
    expect((await alone.get('Scout', '/v1/registry/models')).status).toBe(503);
    await alone.close();
  });

  it('lists the models, as the agent, and the registry with its filters', async () => {
    const client = await harness.openai();
    expect((await client.models.list()).data).toMatchObject([{ id: 'echo' }]);
    expect(harness.router.requests[0]!.headers.authorization).toBe(`Bearer ${client.apiKey}`);
    const registry = await harness.get('Scout', '/v1/registry/models?tier=L1&provider=a%20b');
    expect(registry.body).toMatchObject({ models: { echo: { tier: 'L1' } }, count: 1 });
    expect(harness.router.requests[1]!.body.url).toBe('/v1/registry/models?tier=L1&provider=a+b');
    expect((await harness.get('Scout', '/v1/registry/models?tier=L9')).status).toBe(400);
    for (const path of ['/v1/models', '/v1/registry/models'])
      expect((await harness.get('nobody', path)).status).toBe(401);
  });
});
