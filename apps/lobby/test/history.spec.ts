import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { agentToken, waitFor } from '#testing';
import { Harness } from './harness.js';

describe('history', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.close());
  beforeEach(() => harness.service.database.query('TRUNCATE history'));

  const say = (caller: 'Scout' | 'Librarian', content: string) =>
    harness.post(caller, '/v1/chat/completions', { messages: [{ role: 'user', content }] });
  const count = async () => (await harness.service.database.query('SELECT FROM history')).length;
  const cleared = () => harness.gatekeeper.events.filter(({ action }) => action === 'history.clear');

  describe('GET /v1/history', () => {
    it("is the agent's own, newest first", async () => {
      for (const text of ['one', 'two']) await say('Scout', text);
      await say('Librarian', 'secret');
      const { history, ...rest } = await harness.history('Scout');
      expect(history.map(({ role, content }) => `${role} ${content}`)).toEqual([
        'assistant two',
        'user two',
        'assistant one',
        'user one',
      ]);
      expect(rest).toEqual({ count: 4, next_before: null });
    });

    it('pages without gap or overlap, also through messages of one moment', async () => {
      for (let i = 0; i < 5; i++) await say('Scout', `m${i}`);
      await harness.service.database.query(`UPDATE history SET created_at = '2026-01-01Z' WHERE content < 'm3'`);
      const all = (await harness.history('Scout')).history.map(({ id }) => id);
      const paged: string[] = [];
      for (let before: string | null = ''; before !== null;) {
        const page = await harness.history('Scout', `?limit=3${before && `&before=${before}`}`);
        paged.push(...page.history.map(({ id }) => id));
        before = page.next_before;
      }
      expect(paged).toHaveLength(10);
      expect(paged).toEqual(all);
    });

    it('takes a time, too', async () => {
      await say('Scout', 'old');
      await harness.service.database.query(`UPDATE history SET created_at = '2026-01-01T00:00:00Z'`);
      await say('Scout', 'new');
      const page = await harness.history('Scout', '?before=2026-01-01T01:00:01%2B01:00');
      expect(page.history.map(({ content }) => content)).toEqual(['old', 'old']);
      expect((await harness.history('Scout', '?before=2026-01-01T00:00:00Z')).count).toBe(0);
    });

    it("needs the right to read another ghost's", async () => {
      await say('Scout', 'mine');
      const refused = await harness.get('Librarian', '/v1/history?ghost_id=Scout');
      expect([refused.status, refused.body]).toMatchObject([
        403,
        { code: 'policy_denied', error: { type: 'permission_error' } },
      ]);
      expect(harness.gatekeeper.validations.at(-1)).toMatchObject({ action: 'read', resource: 'history/Scout' });
      expect((await harness.history('Supervisor', '?ghost_id=Scout')).count).toBe(2);
      expect((await harness.history('Supervisor')).count).toBe(0);
    });

    it('gives a service everything, or one ghost', async () => {
      await say('Scout', 'a');
      await say('Librarian', 'b');
      expect((await harness.history('router')).count).toBe(4);
      expect((await harness.history('router', '?ghost_id=Scout')).count).toBe(2);
    });

    it("does not show a ghost of another tenant this one's", async () => {
      await say('Scout', 'a');
      const token = await agentToken('Scout', { tenant: 'other' });
      const answer = await fetch(`${harness.service.url}/v1/history`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(await answer.json()).toMatchObject({ count: 0 });
    });

    it("does not take another ghost's message for a place in this history", async () => {
      await say('Librarian', 'x');
      const [foreign] = (await harness.history('Librarian')).history;
      for (const before of [foreign!.id, randomUUID()]) {
        const answer = await harness.get('Scout', `/v1/history?before=${before}`);
        expect([answer.status, answer.body]).toMatchObject([400, { param: 'before' }]);
      }
    });

    it.each(['limit=0', 'limit=1001', 'before=yesterday', 'ghost_id='])('refuses %s', async (query) => {
      const answer = await harness.get('Scout', `/v1/history?${query}`);
      expect([answer.status, answer.body]).toMatchObject([400, { param: query.split('=')[0] }]);
    });

    it('wants a token', async () => {
      expect((await harness.get('nobody', '/v1/history')).status).toBe(401);
    });

    it('is there after a restart', async () => {
      const first = await Harness.start();
      await first.post('Scout', '/v1/chat/completions', { messages: [{ role: 'user', content: 'remember' }] });
      await first.service.stop();
      const again = await Harness.start({}, first.service.database);
      const { history } = await again.history('Scout');
      await again.close();
      await first.close();
      expect(history[0]).toMatchObject({ content: 'remember' });
    });
  });

  describe('DELETE /v1/history', () => {
    beforeEach(async () => {
      await say('Scout', 'a');
      await say('Librarian', 'b');
      harness.gatekeeper.events.length = 0;
    });

    it("clears the agent's own, and says so in the audit trail", async () => {
      const answer = await harness.delete('Scout', '/v1/history');
      expect([answer.status, answer.body]).toEqual([200, { deleted: 2 }]);
      expect([(await harness.history('Scout')).count, (await harness.history('Librarian')).count]).toEqual([0, 2]);
      const [event] = await waitFor('the audit event', () => cleared().length > 0 && cleared());
      expect(event).toMatchObject({
        service: 'lobby',
        tenant_id: 'default',
        ghost_id: 'Scout',
        action: 'history.clear',
        resource: 'history/Scout',
        result: 'SUCCEEDED',
        entities: [{ kind: 'ghost', id: 'Scout' }],
        metadata: { deleted: 2 },
        request_id: answer.headers['x-request-id'] as unknown,
      });
    });

    it("needs the right to write another ghost's", async () => {
      expect((await harness.delete('Scout', '/v1/history?ghost_id=Librarian')).status).toBe(403);
      expect(harness.gatekeeper.validations.at(-1)).toMatchObject({ action: 'write', resource: 'history/Librarian' });
      expect(await count()).toBe(4);
      expect((await harness.delete('Supervisor', '/v1/history?ghost_id=Librarian')).body).toEqual({ deleted: 2 });
      const [event] = await waitFor('the audit event', () => cleared().length > 0 && cleared());
      expect(event).toMatchObject({ ghost_id: 'Supervisor', resource: 'history/Librarian' });
    });

    it('wants a service to name the ghost', async () => {
      const answer = await harness.delete('router', '/v1/history');
      expect([answer.status, answer.body]).toMatchObject([400, { param: 'ghost_id' }]);
      expect((await harness.delete('router', '/v1/history?ghost_id=Scout')).body).toEqual({ deleted: 2 });
    });

    it('wants a token', async () => {
      expect((await harness.delete('nobody', '/v1/history')).status).toBe(401);
    });

    it('deletes nothing that it cannot record', async () => {
      const small = await Harness.start({
        AUDIT_DURABILITY: 'memory',
        AUDIT_QUEUE_MAXBYTES: '1024',
        AUDIT_FLUSH_INTERVAL_MS: '60000',
      });
      const clear = () => small.delete('Scout', '/v1/history');
      const say = () => small.post('Scout', '/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }] });
      small.gatekeeper.fail();
      let answer = await clear();
      for (let i = 0; i < 5 && answer.status === 200; i++) answer = await clear();
      expect([answer.status, answer.body]).toMatchObject([503, { code: 'audit_unavailable' }]);
      await say();
      expect((await clear()).status).toBe(503);
      expect((await small.history('Scout')).count).toBe(2);
      await small.close();
    });
  });
});
