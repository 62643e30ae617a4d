import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { agentToken, startService, type TestService } from '#testing';
import { gatekeeper } from '../src/app.module.js';

describe('gatekeeper', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService('gatekeeper', gatekeeper);
  });
  afterAll(() => service.close());

  it('boots', async () => {
    const res = await request(service.url).get('/health');
    expect(res.body).toMatchObject({ status: 'healthy' });
    const scout = await agentToken('Scout');
    const ok = await request(service.url)
      .post('/validate')
      .set('authorization', `Bearer ${scout}`)
      .send({ action: 'execute', resource: 'shells/l1/echo' });
    console.log(ok.status, ok.body);
    const no = await request(service.url)
      .post('/validate')
      .set('authorization', `Bearer ${scout}`)
      .send({ action: 'execute', resource: 'shells/l3/x' });
    console.log(no.status, no.headers, no.body);
    const un = await request(service.url).post('/validate').send({ resource: 'shells/l3/x' });
    console.log(un.status, un.body);
    const sup = await agentToken('Supervisor');
    const list = await request(service.url).get('/v1/audit/events').set('authorization', `Bearer ${sup}`);
    console.log(list.status, JSON.stringify(list.body).slice(0, 1500));
    console.log(
      (await request(service.url).get('/v1/audit/events?limit=5000').set('authorization', `Bearer ${sup}`)).text,
    );
    console.log((await request(service.url).get('/nope')).text);
    console.log(
      (
        await request(service.url)
          .post('/validate')
          .set('authorization', `Bearer ${sup}`)
          .set('content-type', 'application/json')
          .send('{bad')
      ).text,
    );
    console.log((await request(service.url).get('/docs/json')).text.slice(0, 3000));
    console.log((await request(service.url).get('/health/ready')).text);
  });
});
