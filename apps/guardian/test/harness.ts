import request, { type Response } from 'supertest';
import { type AuditEvent } from '#contracts';
import {
  agentToken,
  serviceToken,
  startService,
  startStandInGatekeeper,
  waitFor,
  type StandInGatekeeper,
  type TestDatabase,
  type TestService,
} from '#testing';
import { guardian } from '../src/app.module.js';

/** Supervisor is an admin; the other agents may do what a test allows them. */
export type Caller = 'router' | 'Supervisor' | 'Scout' | 'Librarian' | 'nobody';
type Method = 'get' | 'post' | 'put' | 'delete';

/** The service with a gatekeeper beside it, and somebody to call it. */
export class Harness {
  constructor(
    readonly gatekeeper: StandInGatekeeper,
    public service: TestService,
  ) {}

  static async start(environment: Record<string, string> = {}, database?: TestDatabase): Promise<Harness> {
    const gatekeeper = await startStandInGatekeeper();
    return new Harness(
      gatekeeper,
      await startService('guardian', guardian, {
        environment: { GATEKEEPER_URL: gatekeeper.url, ...environment },
        ...(database && { database }),
      }),
    );
  }

  async call(caller: Caller, method: Method, path: string, body?: object): Promise<Response> {
    const agent = request(this.service.url);
    const call = agent[method](path).set(await authorization(caller));
    return body === undefined ? call : call.send(body);
  }

  get = (caller: Caller, path: string) => this.call(caller, 'get', path);
  post = (caller: Caller, path: string, body: object) => this.call(caller, 'post', path, body);
  put = (caller: Caller, path: string) => this.call(caller, 'put', path);
  delete = (caller: Caller, path: string) => this.call(caller, 'delete', path);

  /** Stops the service and starts it again on the same database, with the same files. */
  async restart(environment: Record<string, string> = {}): Promise<void> {
    const before = this.service;
    await before.stop();
    this.service = await startService('guardian', guardian, {
      database: before.database,
      environment: { ...before.environment, ...environment },
    });
  }

  /** The first audit event of this action with these members, once it has arrived at the gatekeeper. */
  event(action: string, matching: Partial<AuditEvent> = {}): Promise<AuditEvent> {
    return waitFor(`the audit event ${action}`, () =>
      this.gatekeeper.events.find(
        (event) =>
          event.action === action &&
          Object.entries(matching).every(([key, value]) => event[key as keyof AuditEvent] === value),
      ),
    );
  }

  async metric(name: string): Promise<number> {
    const { text } = await request(this.service.url).get('/metrics');
    const line = text.split('\n').find((each) => each.startsWith(`gravitas_guardian_${name} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  async close(): Promise<void> {
    this.gatekeeper.fail();
    await this.service.close();
    await this.gatekeeper.close();
  }
}

async function authorization(caller: Caller): Promise<Record<string, string>> {
  if (caller === 'nobody') return {};
  const token = caller === 'router' ? serviceToken('router', 'guardian') : agentToken(caller);
  return { authorization: `Bearer ${await token}` };
}
