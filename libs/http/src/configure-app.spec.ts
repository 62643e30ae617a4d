import { connect } from 'node:net';
import { Body, Controller, Get, Module, Param, Post, Query } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import request from 'supertest';
import { z } from 'zod';
import { ServiceError } from '#errors';
import { createLogger } from '#logging';
import { AccessControl, Public, Requires, ServiceOnly } from './access.js';
import { AccessGuard, AccessSettings } from './access.guard.js';
import { bearerToken, invalidToken } from './bearer.js';
import { Call } from './call.decorator.js';
import { configureApp } from './configure-app.js';
import { Endpoint } from './endpoint.decorator.js';
import { JsonAdapter } from './json-adapter.js';
import { openAiError } from './openai-error.js';
import { type AgentPrincipal, type CallContext } from './request.js';
import { ServiceTokens } from './service-token.js';

const KEY = 'a key that only this test knows, long enough';
const body = z.object({ name: z.string(), age: z.number().int().default(1) });

@Controller('sample')
class SampleController {
  @Post()
  @Public()
  @Endpoint({ summary: 'Echo', response: body, errors: { 400: 'Bad' } })
  echo(@Body({ schema: body }) input: z.output<typeof body>): object {
    return input;
  }

  @Post('anything')
  @Public()
  anything(@Body({ schema: z.record(z.string(), z.unknown()) }) input: Record<string, unknown>): object {
    return { members: Object.getOwnPropertyNames(input), inner: Object.getOwnPropertyNames(input.inner) };
  }

  @Get('query')
  @Public()
  query(@Query({ schema: z.object({ n: z.coerce.number().max(9) }) }) query: object): object {
    return query;
  }

  @Get('fail/:how')
  @Public()
  fail(@Param('how') how: string): never {
    if (how === 'known')
      throw new ServiceError('unavailable', 'thing_unavailable', 'The thing is away', {
        cause: new Error('secret: SELECT 1'),
        extensions: { extra: 1 },
        retryAfter: 7,
      });
    throw new Error('secret: SELECT 1');
  }

  @Get('who')
  who(@Call() call: CallContext): object {
    return call.principal;
  }

  @Get('service')
  @ServiceOnly()
  service(): string {
    return 'yes';
  }

  @Get('right/:thing')
  @Requires('read', (incoming) => `things/${String(incoming.params.thing)}`)
  right(): string {
    return 'yes';
  }
}

class SampleAccess extends AccessControl {
  async authenticate(token: string): Promise<AgentPrincipal> {
    if (token !== 'good') throw invalidToken();
    return { kind: 'agent', ghostId: 'Scout', groups: [], tenantId: 'default', token };
  }
  async authorize(_agent: AgentPrincipal, action: string, resource: string): Promise<void> {
    if (!(await this.allows(_agent, action, resource)))
      throw new ServiceError('forbidden', 'policy_denied', 'Not yours');
  }
  async allows(_agent: AgentPrincipal, action: string, resource: string): Promise<boolean> {
    return `${action} ${resource}` === 'read things/mine';
  }
}

const tokens = new ServiceTokens('router', KEY);

@Module({
  controllers: [SampleController],
  providers: [
    { provide: AccessControl, useClass: SampleAccess },
    { provide: ServiceTokens, useValue: tokens },
    { provide: AccessSettings, useValue: { serviceAuthDisabled: false } },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
})
class SampleModule {}

describe('the HTTP side that every service shares', () => {
  let app: NestExpressApplication;
  let url: string;
  beforeAll(async () => {
    app = await NestFactory.create<NestExpressApplication>(SampleModule, new JsonAdapter(), {
      bodyParser: false,
      logger: false,
    });
    const logger = createLogger({ service: 'sample', level: 'silent' });
    const describeIt = { title: 'Sample', description: 'A sample', version: '1' };
    configureApp(app, { ...describeIt, logger, decorateProblem: openAiError, observe: () => undefined });
    await app.listen(0, '127.0.0.1');
    url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  });
  afterAll(() => app.close());

  it('checks a body against its schema and fills in defaults', async () => {
    const answer = await request(url).post('/sample').send({ name: 'x', unknown: true });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ name: 'x', age: 1 });
  });

  it('names every bad field', async () => {
    const answer = await request(url).post('/sample').send({ age: 'old' });
    expect(answer.body).toMatchObject({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      code: 'invalid_request',
      param: 'name',
      errors: [{ field: 'name' }, { field: 'age' }],
    });
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect((await request(url).get('/sample/query?n=10')).body).toMatchObject({ status: 400, param: 'n' });
    expect((await request(url).post('/sample')).body).toMatchObject({ status: 400 });
  });

  it('puts OpenAI’s error beside the problem when told to', async () => {
    const answer = await request(url).post('/sample').send({});
    const { detail, error } = answer.body as { detail: string; error: object };
    expect(detail).toContain('name:');
    expect(error).toEqual({ message: detail, type: 'invalid_request_error', code: 'invalid_request', param: 'name' });
  });

  it('says what failed, and nothing of how', async () => {
    const known = await request(url).get('/sample/fail/known');
    expect(known.status).toBe(503);
    expect(known.headers['retry-after']).toBe('7');
    expect(known.body).toMatchObject({ code: 'thing_unavailable', detail: 'The thing is away', extra: 1 });
    const unknown = await request(url).get('/sample/fail/unknown');
    expect(unknown.body).toMatchObject({ status: 500, code: 'internal_error' });
    expect(known.text + unknown.text).not.toContain('secret');
  });

  it('takes a request id, or makes one when it is missing or not fit for a log', async () => {
    const given = await request(url).get('/nope').set('x-request-id', 'abc-1');
    expect(given.headers['x-request-id']).toBe('abc-1');
    expect(given.body).toMatchObject({ status: 404, request_id: 'abc-1' });
    const made = await request(url).get('/nope').set('x-request-id', 'a b');
    expect(made.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('refuses a body over 1 MiB, announced or not', async () => {
    const large = JSON.stringify({ name: 'x'.repeat(1024 * 1024) });
    expect((await request(url).post('/sample').send(large)).body).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    const { port } = new URL(url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write('POST /sample HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
        for (let i = 0; i < 5; i++) socket.write(`40000\r\n${'x'.repeat(0x40000)}\r\n`);
      });
      socket.once('data', (data) => {
        resolve(data.toString());
        socket.destroy();
      });
      socket.once('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('leaves out members that would change what an object inherits, and no others', async () => {
    for (const name of ['__proto__', '\\u005f_proto__'])
      await request(app.getHttpServer())
        .post('/sample/anything')
        .send(`{"${name}": {"a": 1}, "constructor": 1, "inner": {"${name}": {"b": 1}, "prototype": 2}}`)
        .expect(201, { members: ['constructor', 'inner'], inner: ['prototype'] });
  });

  it('says what it answers with, and how long it is, in bytes', async () => {
    const { headers, text } = await request(app.getHttpServer()).post('/sample').send({ name: 'Zoë ✓' }).expect(200);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(headers['content-length']).toBe(String(Buffer.byteLength(text)));
    expect(JSON.parse(text)).toEqual({ name: 'Zoë ✓', age: 1 });
  });

  it('refuses broken JSON, a compressed body and a malformed URL with 400', async () => {
    expect((await request(url).post('/sample').send('{"name"').type('json')).body).toMatchObject({
      code: 'invalid_json',
    });
    const packed = await request(url).post('/sample').set('content-encoding', 'gzip').type('json').send('{}');
    expect(packed.body).toMatchObject({ code: 'unsupported_encoding' });
    expect((await request(url).get('/sample/fail/%E0%A4%A')).status).toBe(400);
  });

  it('lets nobody in without a valid token, unless the route is public', async () => {
    expect((await request(url).get('/sample/who')).body).toMatchObject({
      status: 401,
      detail: 'Missing Authorization header',
    });
    const bad = await request(url).get('/sample/who').set('authorization', 'Bearer bad');
    expect(bad.body).toMatchObject({ status: 401, detail: 'Invalid or expired token' });
    const good = await request(url).get('/sample/who').set('authorization', 'Bearer good');
    expect(good.body).toMatchObject({ kind: 'agent', ghostId: 'Scout' });
  });

  it('tells services from agents by their token, each checked against its own key', async () => {
    const as = async (token: string, path: string) => request(url).get(path).set('authorization', `Bearer ${token}`);
    const lobby = new ServiceTokens('lobby', KEY);
    expect((await as(lobby.issueFor('router'), '/sample/service')).text).toBe('yes');
    expect((await as(lobby.issueFor('guardian'), '/sample/service')).status).toBe(401);
    expect((await as(new ServiceTokens('lobby', 'z'.repeat(40)).issueFor('router'), '/sample/service')).status).toBe(
      401,
    );
    expect((await as('good', '/sample/service')).body).toMatchObject({ status: 403, code: 'service_token_required' });
  });

  it("takes a service's token once, on whatever route", async () => {
    const once = new ServiceTokens('lobby', KEY).issueFor('router');
    const as = async (path: string) => request(url).get(path).set('authorization', `Bearer ${once}`);
    expect((await as('/sample/service')).status).toBe(200);
    expect((await as('/sample/who')).body).toMatchObject({ status: 401, detail: 'Invalid or expired token' });
  });

  it('says 503, and not 401, to services that it cannot remember any more', async () => {
    const full = new ServiceTokens('router', KEY, { replayCapacity: 0 });
    const accept = jest.spyOn(tokens, 'accept').mockImplementation((token) => full.accept(token));
    try {
      const answer = await request(url)
        .get('/sample/service')
        .set('authorization', `Bearer ${new ServiceTokens('lobby', KEY).issueFor('router')}`);
      expect(answer.body).toMatchObject({ status: 503, code: 'too_many_service_calls' });
      expect(answer.headers['retry-after']).toBe('1');
    } finally {
      accept.mockRestore();
    }
  });

  it('asks for the right that a route requires, of agents', async () => {
    const as = (path: string) => request(url).get(path).set('authorization', 'Bearer good');
    expect((await as('/sample/right/mine')).status).toBe(200);
    expect((await as('/sample/right/yours')).body).toMatchObject({ status: 403, code: 'policy_denied' });
  });

  it('describes itself', async () => {
    const document = await request(url).get('/docs/json');
    const { paths } = document.body as {
      paths: Record<string, Record<string, { responses: object; requestBody: object }>>;
    };
    const post = paths['/sample']!.post!;
    expect(post.requestBody).toMatchObject({ content: { 'application/json': { schema: { required: ['name'] } } } });
    expect(post.responses).toMatchObject({
      200: {},
      400: { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
    });
    expect((await request(url).get('/docs')).text).toContain('swagger-ui');
  });
});

describe('bearerToken', () => {
  it.each(['Basic abc', 'Bearer', 'Bearer a b', `Bearer ${'a'.repeat(8193)}`, 'Bearer ä'])(
    'refuses %.20s',
    (header) => {
      expect(() => bearerToken(header)).toThrow('Invalid or expired token');
    },
  );

  it('knows its scheme in any case', () => {
    expect(bearerToken('bearer abc.def')).toBe('abc.def');
  });
});
