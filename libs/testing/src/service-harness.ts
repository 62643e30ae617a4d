import request, { type Response } from 'supertest';
import { type ServiceName } from '#contracts';
import { type ServiceDefinition, type WithService } from '#service';
import { startStandInGatekeeper, type StandInGatekeeper } from './stand-in-gatekeeper.js';
import { startService, type TestService, type TestServiceOptions } from './test-service.js';
import { agentToken, serviceToken } from './tokens.js';

/** The router stands for any service. Supervisor is an admin; the other agents may do what a test allows them. */
export type Caller = 'router' | 'Supervisor' | 'Scout' | 'Librarian' | 'nobody';

/** A service with a gatekeeper beside it. */
export interface Pair {
  gatekeeper: StandInGatekeeper;
  service: TestService;
}

export async function startBesideGatekeeper<C extends WithService>(
  name: ServiceName,
  definition: ServiceDefinition<C>,
  { environment, database }: TestServiceOptions = {},
): Promise<Pair> {
  const gatekeeper = await startStandInGatekeeper();
  const service = await startService(name, definition, {
    environment: { GATEKEEPER_URL: gatekeeper.url, ...environment },
    ...(database && { database }),
  });
  return { gatekeeper, service };
}

/** One service under test, somebody to call it, and its database to break. */
export class ServiceHarness {
  readonly gatekeeper: StandInGatekeeper;
  service: TestService;

  constructor(
    private readonly name: ServiceName,
    { gatekeeper, service }: Pair,
  ) {
    this.gatekeeper = gatekeeper;
    this.service = service;
  }

  async call(
    caller: Caller,
    method: 'get' | 'post' | 'put' | 'delete',
    path: string,
    body?: object,
  ): Promise<Response> {
    const agent = request(this.service.url);
    const call = agent[method](path).set(await this.authorization(caller));
    return body === undefined ? call : call.send(body);
  }

  get = (caller: Caller, path: string) => this.call(caller, 'get', path);
  post = (caller: Caller, path: string, body: object) => this.call(caller, 'post', path, body);
  put = (caller: Caller, path: string) => this.call(caller, 'put', path);
  delete = (caller: Caller, path: string) => this.call(caller, 'delete', path);

  async authorization(caller: Caller): Promise<Record<string, string>> {
    if (caller === 'nobody') return {};
    const token = caller === 'router' ? serviceToken('router', this.name) : agentToken(caller);
    return { authorization: `Bearer ${await token}` };
  }

  /** Keeps the service's role out of the database, and ends the connections that it has. */
  async breakDatabase(): Promise<void> {
    const { name, query } = this.service.database;
    await query(`ALTER ROLE ${name} NOLOGIN`);
    await query('SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE usename = $1', [name]);
  }

  async mendDatabase(): Promise<void> {
    await this.service.database.query(`ALTER ROLE ${this.service.database.name} LOGIN`);
  }

  /** Also while a test that failed has left a stream open. */
  async close(): Promise<void> {
    this.gatekeeper.fail();
    const closed = this.service.close();
    this.service.app.getHttpServer().closeAllConnections();
    await closed;
    await this.gatekeeper.close();
  }
}
