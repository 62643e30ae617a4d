import request, { type Response } from 'supertest';
import {
  agentToken,
  serviceToken,
  startService,
  startStandInGatekeeper,
  type StandInGatekeeper,
  type TestDatabase,
  type TestService,
} from '#testing';
import { telemetry } from '../src/app.module.js';

export type Caller = 'router' | 'Supervisor' | 'Scout' | 'Librarian' | 'nobody';

/** The service with a gatekeeper beside it, and somebody to call it. */
export class Harness {
  constructor(
    readonly gatekeeper: StandInGatekeeper,
    readonly service: TestService,
  ) {}

  static async start(environment: Record<string, string> = {}, database?: TestDatabase): Promise<Harness> {
    const gatekeeper = await startStandInGatekeeper();
    const service = await startService('telemetry', telemetry, {
      environment: { GATEKEEPER_URL: gatekeeper.url, ...environment },
      ...(database && { database }),
    });
    return new Harness(gatekeeper, service);
  }

  async get(caller: Caller, path: string): Promise<Response> {
    return request(this.service.url)
      .get(path)
      .set(await authorization(caller));
  }

  async post(caller: Caller, path: string, body: object): Promise<Response> {
    return request(this.service.url)
      .post(path)
      .set(await authorization(caller))
      .send(body);
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

  async close(): Promise<void> {
    await this.service.close();
    await this.gatekeeper.close();
  }
}

async function authorization(caller: Caller): Promise<Record<string, string>> {
  if (caller === 'nobody') return {};
  const token = caller === 'router' ? serviceToken('router', 'telemetry') : agentToken(caller);
  return { authorization: `Bearer ${await token}` };
}
