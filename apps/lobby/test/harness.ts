import OpenAI from 'openai';
import request, { type Response } from 'supertest';
import { type HistoryPage } from '#contracts';
import {
  agentToken,
  serviceToken,
  startService,
  startStandInGatekeeper,
  type StandInGatekeeper,
  type TestDatabase,
  type TestService,
} from '#testing';
import { lobby } from '../src/app.module.js';
import { StandInRouter } from './stand-in-router.js';

export type Caller = 'router' | 'Supervisor' | 'Scout' | 'Librarian' | 'nobody';

/** The lobby with a gatekeeper and a router beside it, and somebody to call it. */
export class Harness {
  constructor(
    readonly gatekeeper: StandInGatekeeper,
    readonly router: StandInRouter,
    readonly service: TestService,
  ) {}

  static async start(environment: Record<string, string> = {}, database?: TestDatabase): Promise<Harness> {
    const gatekeeper = await startStandInGatekeeper();
    const router = await new StandInRouter().listen();
    const service = await startService('lobby', lobby, {
      environment: { GATEKEEPER_URL: gatekeeper.url, ROUTER_URL: router.url, ...environment },
      ...(database && { database }),
    });
    return new Harness(gatekeeper, router, service);
  }

  async get(caller: Caller, path: string): Promise<Response> {
    return request(this.service.url)
      .get(path)
      .set(await authorization(caller));
  }

  async delete(caller: Caller, path: string): Promise<Response> {
    return request(this.service.url)
      .delete(path)
      .set(await authorization(caller));
  }

  async post(caller: Caller, path: string, body: object): Promise<Response> {
    return request(this.service.url)
      .post(path)
      .set(await authorization(caller))
      .send(body);
  }

  async history(caller: Caller, query = ''): Promise<HistoryPage> {
    return (await this.get(caller, `/v1/history${query}`)).body as HistoryPage;
  }

  /** OpenAI's own client, pointed at the lobby. */
  async openai(caller: 'Scout' | 'Supervisor' = 'Scout'): Promise<OpenAI> {
    return new OpenAI({ baseURL: `${this.service.url}/v1`, apiKey: await agentToken(caller), maxRetries: 0 });
  }

  /** A streamed completion as it comes over the wire. */
  async stream(model: string, signal: AbortSignal | null = null): Promise<globalThis.Response> {
    return fetch(`${this.service.url}/v1/chat/completions`, {
      method: 'POST',
      signal,
      headers: await authorization('Scout'),
      body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'go' }] }),
    });
  }

  /** Keeps the service's role out of the database, and ends the connections that it has. */
  async breakDatabase(): Promise<void> {
    const { name, query } = this.service.database;
    await query(`ALTER ROLE ${name} NOLOGIN`);
    await query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [name]);
  }

  async mendDatabase(): Promise<void> {
    await this.service.database.query(`ALTER ROLE ${this.service.database.name} LOGIN`);
  }

  /** Also while a test that failed has left a stream open. */
  async close(): Promise<void> {
    const closed = this.service.close();
    this.service.app.getHttpServer().closeAllConnections();
    await closed;
    await this.router.close();
    await this.gatekeeper.close();
  }
}

export async function authorization(caller: Caller): Promise<Record<string, string>> {
  if (caller === 'nobody') return {};
  const token = caller === 'router' ? serviceToken('router', 'lobby') : agentToken(caller);
  return { authorization: `Bearer ${await token}` };
}
