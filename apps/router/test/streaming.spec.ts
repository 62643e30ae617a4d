import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { agentToken, waitFor } from '#testing';
import { requestIdOf, startRouter, user, type TestRouter } from './harness.js';
import { answer, beginStream, sendChunk, sendEvent, stall, stream, USAGE } from './stand-in-upstream.js';

const messages = [user('a question of theirs')];
const BODY = { model: 'gemma2:27b', messages, stream: true };

describe('streams', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter();
  });
  afterAll(() => router.close());
  beforeEach(() => {
    router.upstream.calls.length = 0;
    router.upstream.abandoned = 0;
  });
  afterEach(() => router.upstream.behave(answer('hello')));

  const lines = (text: string) => text.split('\n\n').filter((line) => line !== '');
  const outcomeOf = async (requestId: string, { decision, gatekeeper, guardian } = router) => {
    const { session_id } = await decision(requestId);
    const audited = await waitFor('the outcome in the trail', () =>
      gatekeeper.events.find((event) => event.request_id === requestId && event.result !== 'ALLOWED'),
    );
    const session = await waitFor('the end of the session', () =>
      guardian.ended.find((ended) => ended.session_id === session_id),
    );
    return [audited.result, session.outcome];
  };

  it('passes events on as they arrive', async () => {
    let goOn: () => void = () => undefined;
    router.upstream.behave(async (response) => {
      beginStream(response);
      sendChunk(response, 'first');
      await new Promise<void>((resolve) => (goOn = resolve));
      sendChunk(response, 'second', 'stop');
      response.end('data: [DONE]\n\n');
    });
    const openai = await router.client('Scout');
    const seen: string[] = [];
    for await (const chunk of await openai.chat.completions.create({ model: 'gemma2:27b', messages, stream: true })) {
      seen.push(chunk.choices[0]?.delta.content ?? '');
      goOn();
    }
    expect(seen).toEqual(['first', 'second']);
  });

  it('asks the provider for usage, and keeps that event to itself unless the client asked, too', async () => {
    router.upstream.behave(stream(['a', 'b']));
    const silent = lines(await (await router.post('Scout', BODY)).text());
    expect(silent).toHaveLength(3);
    expect(silent.at(-1)).toBe('data: [DONE]');
    const asking = { ...BODY, stream_options: { include_usage: true } };
    const asked = lines(await (await router.post('Scout', asking)).text());
    expect(asked).toHaveLength(4);
    expect(JSON.parse(asked[2]!.slice('data: '.length))).toMatchObject({ choices: [], usage: USAGE });
    for (const { body } of router.upstream.calls) expect(body['stream_options']).toEqual({ include_usage: true });
  });

  it.each([
    ['in mid-stream', 'first'],
    ['before the first byte', undefined],
  ])('a client that goes away %s cancels the call of the provider', async (_when, first) => {
    router.upstream.behave((response) => {
      if (first === undefined) return stall(response, router.upstream.calls[0]!);
      beginStream(response);
      const timer = setInterval(() => sendChunk(response, 'more '), 20);
      response.once('close', () => clearInterval(timer));
    });
    const requestId = `gone-${first ?? 'early'}`;
    const request = httpRequest(`${router.service.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await agentToken('Scout')}`, 'x-request-id': requestId },
    });
    request.on('error', () => undefined).end(JSON.stringify(BODY));
    if (first === undefined) await waitFor('the call', () => router.upstream.calls.length === 1);
    else {
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.on('error', () => undefined);
      await once(response, 'data');
    }
    request.destroy();
    await waitFor('the provider to notice', () => router.upstream.abandoned === 1);
    expect(await outcomeOf(requestId)).toEqual(['CANCELLED', 'cancelled']);
    const { outcome, error_code, tokens_out } = await router.decision(requestId);
    expect([outcome, error_code, tokens_out > 0]).toEqual(['cancelled', null, first !== undefined]);
  });

  it('cancels a call that is not streamed, too', async () => {
    router.upstream.behave(stall);
    const abort = new AbortController();
    const call = router.post('Scout', { ...BODY, stream: false }, abort.signal).catch(() => undefined);
    await waitFor('the call', () => router.upstream.calls.length === 1);
    abort.abort();
    await call;
    await waitFor('the provider to notice', () => router.upstream.abandoned === 1);
    await waitFor('the trail', () =>
      router.gatekeeper.events.some(({ result, metadata }) => result === 'CANCELLED' && metadata['stream'] === false),
    );
  });

  it.each([
    ['the connection breaks', '60000', (end: () => void) => end(), /./],
    ['the provider pauses for too long', '2000', () => undefined, /paused for too long/],
  ])('tells of a failure in mid-stream as OpenAI does, without [DONE]: %s', async (_name, idleMs, then, message) => {
    const own = await startRouter({ ROUTER_PROVIDER_IDLE_MS: idleMs });
    own.upstream.behave((response) => {
      beginStream(response);
      sendChunk(response, 'half ');
      response.once('drain', () => undefined);
      setImmediate(() => then(() => response.destroy()));
    });
    try {
      const response = await own.post('Scout', BODY);
      const events = lines(await response.text());
      expect(events).not.toContain('data: [DONE]');
      const { error } = JSON.parse(events.at(-1)!.slice('data: '.length)) as { error: Record<string, string> };
      expect(error).toMatchObject({ type: 'server_error', code: 'upstream_error' });
      expect(error['message']).toMatch(message);
      expect(await outcomeOf(requestIdOf(response), own)).toEqual(['FAILED', 'failed']);
      expect(await own.decision(requestIdOf(response))).toMatchObject({ error_code: 'upstream_error' });
    } finally {
      await own.close();
    }
  });

  it("an error event of the provider's becomes an APIError of the OpenAI client", async () => {
    router.upstream.behave((response) => {
      beginStream(response);
      sendChunk(response, 'half ');
      sendEvent(response, { error: { message: 'overloaded' } });
      response.end();
    });
    const openai = await router.client('Scout');
    const events = await openai.chat.completions.create({ model: 'gemma2:27b', messages, stream: true });
    const read = async () => {
      for await (const _ of events);
    };
    const error: unknown = await read().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect((error as Error).message).toContain('overloaded');
  });

  it.each([
    ['complete when its last choice has finished', 'stop', true],
    ['broken when it has not', null, false],
  ])('a stream that ends without [DONE] is %s', async (_name, finish, complete) => {
    router.upstream.behave((response) => {
      beginStream(response);
      sendChunk(response, 'x', finish);
      response.end();
    });
    const text = await (await router.post('Scout', BODY)).text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(complete);
  });

  it('goes on to the next shell when a stream breaks off before its first event', async () => {
    router.upstream.behave(async (response, call) => {
      if (call.body['model'] !== 'gemma2:27b') return stream(['from another'])(response, call);
      beginStream(response);
      response.write(': soon\n\n', () => response.destroy());
    });
    const text = await (await router.post('Scout', { ...BODY, model: 'auto' })).text();
    expect(text).toContain('from another');
    expect(router.upstream.calls).toHaveLength(2);
  });

  it('uses its connection to the provider again after a complete stream', async () => {
    router.upstream.behave(stream(['a']));
    await (await router.post('Scout', BODY)).text();
    // A connection that nobody used for seconds may be closed.
    await waitFor('three calls over one connection', async () => {
      const before = router.upstream.connections;
      for (let i = 0; i < 3; i++) await (await router.post('Scout', BODY)).text();
      return router.upstream.connections === before;
    });
  });

  it('lets a slow client slow down the provider', async () => {
    let sent = 0;
    const megabyte = 'x'.repeat(1024 * 1024);
    router.upstream.behave(async (response) => {
      beginStream(response);
      for (; sent < 200 && !response.destroyed; sent++)
        if (!sendChunk(response, megabyte)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    });
    const request = httpRequest(`${router.service.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await agentToken('Scout')}` },
    });
    request.on('error', () => undefined).end(JSON.stringify(BODY));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.on('error', () => undefined).pause();
    let before = -1;
    let since = Date.now();
    await waitFor('the provider to be held up', () => {
      if (sent !== before) since = Date.now();
      before = sent;
      return sent > 0 && Date.now() - since > 300;
    });
    expect(sent).toBeLessThan(100);
    request.destroy();
    await waitFor('the provider to notice', () => router.upstream.abandoned === 1);
  });
});

describe('streams at shutdown', () => {
  /** Of this the buffers get a twentieth. */
  const SHUTDOWN_TIMEOUT_MS = '200000';

  it('go on to their end, which is in the trail', async () => {
    const router = await startRouter({ ROUTER_ECHO_DELAY_MS: '20', SHUTDOWN_TIMEOUT_MS });
    const words = Array.from({ length: 20 }, (_, i) => `w${i}`).join(' ');
    const response = await router.post('Scout', { model: 'echo', stream: true, messages: [user(words)] });
    const stopped = router.service.stop();
    expect(await response.text()).toContain('[DONE]');
    await stopped;
    expect(router.gatekeeper.events.map(({ result }) => result)).toEqual(['ALLOWED', 'SUCCEEDED']);
    await router.close();
  });

  it('are cancelled, and audited as such, when their connections are closed at the deadline', async () => {
    const router = await startRouter({ ROUTER_ECHO_DELAY_MS: '10000', SHUTDOWN_TIMEOUT_MS });
    const response = await router.post('Scout', { model: 'echo', stream: true, messages: [user('a b c')] });
    const text = response.text().catch(() => 'broken');
    const stopped = router.service.stop();
    router.service.app.getHttpServer().closeAllConnections();
    await stopped;
    expect(await text).toBe('broken');
    expect(router.gatekeeper.events.map(({ result }) => result)).toEqual(['ALLOWED', 'CANCELLED']);
    expect(router.guardian.ended.map(({ outcome }) => outcome)).toEqual(['cancelled']);
    expect(router.telemetry.usage.map(({ outcome }) => outcome)).toEqual(['cancelled']);
    await router.close();
  });
});
