import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AuditError, AuditLogger } from '#audit';
import { agentToken, waitFor } from '#testing';
import { DecisionLog } from '../src/decisions/decision-log.js';
import { Route } from '../src/completions/route.js';
import { requestIdOf, startRouter, user, type TestRouter } from './harness.js';
import { answer, refuse, stream } from './stand-in-upstream.js';

const PROMPT = 'the-prompt-that-nobody-else-sees';
const ANSWER = 'the-answer-that-nobody-else-sees';
const messages = [user(PROMPT)];
const metric = (text: string, name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);

describe('what is kept of a request', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter();
    router.upstream.behave(answer(ANSWER));
  });
  afterAll(() => router.close());
  afterEach(() => {
    router.upstream.behave(answer(ANSWER));
    router.telemetry.status = undefined;
  });
  const metrics = async () => (await fetch(`${router.service.url}/metrics`)).text();
  const audited = (requestId: string, count: number) =>
    waitFor(`${count} audit events`, () => {
      const events = router.gatekeeper.events.filter((event) => event.request_id === requestId);
      return events.length >= count && events;
    });

  it('the trail has the intent of each call, and its outcome, and nothing of what was said', async () => {
    const response = await router.post('Supervisor', { model: 'gemini-1.5-pro', messages });
    const { session_id } = await router.decision(requestIdOf(response));
    const [intent, outcome] = await audited(requestIdOf(response), 2);
    const common = {
      service: 'router',
      tenant_id: 'default',
      ghost_id: 'Supervisor',
      shell_id: 'gemini-1.5-pro',
      action: 'inference',
      resource: 'shells/l3/gemini-1.5-pro',
      session_id,
      entities: [{ kind: 'session', id: session_id }],
    };
    expect(intent).toMatchObject({ ...common, result: 'ALLOWED', reason: 'model call intended' });
    expect(outcome).toMatchObject({
      ...common,
      result: 'SUCCEEDED',
      metadata: { tokens_in: 12, tokens_out: 3, provider: 'google', stream: false, intent_audit_id: intent!.id },
    });
    expect(outcome!.metadata['latency_ms']).toBeGreaterThan(0);
    const everything = JSON.stringify([
      router.gatekeeper.events,
      router.telemetry.events,
      router.gatekeeper.validations,
    ]);
    expect(everything).not.toContain(PROMPT);
    expect(everything).not.toContain(ANSWER);
  });

  it('a call that fails over leaves an intent and an outcome for each shell', async () => {
    router.upstream.behave(refuse(500, {}));
    const response = await router.post('Scout', { model: 'Librarian', messages });
    const events = await audited(requestIdOf(response), 6);
    expect(events.map(({ shell_id, result }) => `${shell_id} ${result}`)).toEqual([
      'gemma2:27b ALLOWED',
      'gemma2:27b FAILED',
      'llama3:70b ALLOWED',
      'llama3:70b FAILED',
      'echo ALLOWED',
      'echo SUCCEEDED',
    ]);
  });

  it("goes into the tenant's own trail and tables", async () => {
    const token = await agentToken('Scout', { tenant: 'acme' });
    const response = await fetch(`${router.service.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ model: 'echo', messages }),
    });
    const events = await audited(requestIdOf(response), 2);
    expect(events.map(({ tenant_id }) => tenant_id)).toEqual(['acme', 'acme']);
    expect((await router.decision(requestIdOf(response))).tenant_id).toBe('acme');
  });

  it('telemetry gets usage with its price, and an event with its latency', async () => {
    const response = await router.post('Supervisor', { model: 'gemini-1.5-pro', messages });
    const { session_id } = await router.decision(requestIdOf(response));
    const usage = await waitFor('usage', () => router.telemetry.usage.find((u) => u.session_id === session_id));
    expect(usage).toMatchObject({
      ghost_id: 'Supervisor',
      model: 'gemini-1.5-pro',
      provider: 'google',
      tier: 'L3',
      tokens_in: 12,
      tokens_out: 3,
      outcome: 'succeeded',
    });
    expect(usage.cost_usd).toBeCloseTo((12 * 0.00125 + 3 * 0.005) / 1000, 12);
    const event = router.telemetry.events.find(({ metadata }) => metadata['session_id'] === session_id);
    expect(event).toMatchObject({ event_type: 'model_call', component: 'router', value: usage.latency_ms });
    expect(event?.metadata['usage_estimated']).toBe(false);
  });

  it('estimates tokens from the text, and says so, where the provider does not report them', async () => {
    router.upstream.behave(stream(['12345678', '9'], null));
    const response = await router.post('Scout', { model: 'gemma2:27b', messages: [user('four')], stream: true });
    await response.text();
    const decision = await router.decision(requestIdOf(response));
    expect([decision.tokens_in, decision.tokens_out]).toEqual([1, 3]);
    const event = await waitFor('the event', () =>
      router.telemetry.events.find(({ metadata }) => metadata['session_id'] === decision.session_id),
    );
    expect(event.metadata).toMatchObject({ usage_estimated: true, stream: true, tokens_out: 3 });
    expect(event.metadata['time_to_first_token_ms']).toBeGreaterThan(0);
  });

  it('the decision has what was asked, what was tried and what answered', async () => {
    const body = { model: 'Scout', messages, complexity: 2.5, priority: 'high' };
    const response = await router.post('Scout', body);
    expect(await router.decision(requestIdOf(response))).toMatchObject({
      requested_model: 'Scout',
      ghost_id: 'Scout',
      shell: 'gemma2:27b',
      tier: 'L1',
      provider: 'ollama',
      complexity: 2.5,
      priority: 'high',
      stream: false,
      candidates: [{ model: 'gemini-1.5-flash', reason: 'policy_denied' }],
      outcome: 'succeeded',
      error_code: null,
      tokens_in: 12,
      tokens_out: 3,
    });
  });

  it('keeps usage while telemetry is down, and answers all the same', async () => {
    router.telemetry.status = 500;
    const attempts = router.telemetry.attempts;
    const response = await router.post('Scout', { model: 'echo', messages });
    expect(response.status).toBe(200);
    await waitFor('an attempt', () => router.telemetry.attempts > attempts);
    expect(metric(await metrics(), 'gravitas_router_usage_buffer_size')).toBeGreaterThan(0);
    router.telemetry.status = undefined;
    const { session_id } = await router.decision(requestIdOf(response));
    const arrived = () => router.telemetry.usage.some((usage) => usage.session_id === session_id);
    await waitFor('the usage', arrived, 20_000);
  });

  it('gives up what telemetry will never take, and counts it', async () => {
    const size = async () => metric(await metrics(), 'gravitas_router_usage_buffer_size');
    await waitFor('an empty buffer', async () => (await size()) === 0, 20_000);
    const before = metric(await metrics(), 'gravitas_router_usage_lost_total');
    router.telemetry.status = 400;
    await router.post('Scout', { model: 'echo', messages });
    await waitFor('the loss', async () => metric(await metrics(), 'gravitas_router_usage_lost_total') === before + 1);
  });

  it('keeps decisions while their table is locked, and answers all the same', async () => {
    const unlock = await router.service.database.lockTable('routing_decisions');
    const ask = async () => {
      const response = await router.post('Scout', { model: 'echo', messages });
      expect(response.status).toBe(200);
      const size = async () => metric(await metrics(), 'gravitas_router_decisions_buffer_size');
      await waitFor('the decision to be kept', async () => (await size()) > 0);
      return response;
    };
    const response = await ask().finally(unlock);
    await router.decision(requestIdOf(response));
  });

  it('writes a decision once, also when a batch is written a second time', async () => {
    const log = router.service.app.get(DecisionLog);
    const body = { model: 'echo', messages, complexity: 5, priority: 'normal' as const };
    const gone = new AbortController().signal;
    const [first, second] = ['twice', 'after'].map((id) => new Route(body, { token: '', requestId: id, gone }));
    log.record(first!);
    await router.decision('twice');
    log.record(first!);
    log.record(second!);
    await router.decision('after');
    const rows = await router.service.database.query(`SELECT 1 FROM routing_decisions WHERE request_id = 'twice'`);
    expect(rows).toHaveLength(1);
    expect(metric(await metrics(), 'gravitas_router_decisions_lost_total')).toBe(0);
  });
});

describe('what is kept over a restart', () => {
  it('flushes decisions, usage, sessions and the trail at shutdown, and takes up its tables again', async () => {
    // Of this the buffers get a twentieth.
    const first = await startRouter({ SHUTDOWN_TIMEOUT_MS: '200000' });
    const response = await first.post('Scout', { model: 'echo', messages });
    await first.service.stop();
    expect(first.telemetry.usage).toHaveLength(1);
    expect(first.guardian.ended).toHaveLength(1);
    expect(first.gatekeeper.events.map(({ result }) => result)).toEqual(['ALLOWED', 'SUCCEEDED']);
    const second = await startRouter({}, first.service.database);
    expect(await second.decision(requestIdOf(response))).toMatchObject({ outcome: 'succeeded', shell: 'echo' });
    const again = await second.post('Scout', { model: 'echo', messages });
    expect((await second.decision(requestIdOf(again))).outcome).toBe('succeeded');
    await second.close();
    await Promise.all([
      first.gatekeeper.close(),
      first.guardian.close(),
      first.telemetry.close(),
      first.upstream.close(),
    ]);
  });
});

describe('when the audit trail takes no events', () => {
  let router: TestRouter;
  beforeAll(async () => {
    router = await startRouter();
    router.upstream.behave(stream(['one', 'two']));
  });
  afterAll(() => router.close());

  const full = () => {
    throw new AuditError('audit_queue_full', 'the queue is full');
  };
  const ask = async (body: object) => {
    const response = await router.post('Scout', { model: 'gemma2:27b', messages, ...body });
    return { status: response.status, text: await response.text(), requestId: requestIdOf(response) };
  };

  it('503, and the model is not called', async () => {
    const record = jest.spyOn(router.service.app.get(AuditLogger), 'record').mockImplementation(full);
    const { status, text, requestId } = await ask({ stream: true });
    record.mockRestore();
    expect([status, router.upstream.calls.length]).toEqual([503, 0]);
    expect(JSON.parse(text)).toMatchObject({ code: 'audit_unavailable' });
    const { session_id, outcome } = await router.decision(requestId);
    expect(outcome).toBe('refused');
    await waitFor('the session to end', () =>
      router.guardian.ended.some((session) => session.session_id === session_id && session.outcome === 'failed'),
    );
  });

  it.each([false, true])('gives no complete answer whose outcome is not recorded (stream: %s)', async (streamed) => {
    router.upstream.behave(streamed ? stream(['one', 'two']) : answer(ANSWER));
    const logger = router.service.app.get(AuditLogger);
    const original = logger.record.bind(logger);
    const record = jest
      .spyOn(logger, 'record')
      .mockImplementation((event) => (event.result === 'SUCCEEDED' ? full() : original(event)));
    const { status, text } = await ask({ stream: streamed });
    record.mockRestore();
    expect(status).toBe(streamed ? 200 : 503);
    expect(text).toContain('audit_unavailable');
    expect(text).not.toContain('[DONE]');
  });
});
