import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import request from 'supertest';
import { type AuditEvent } from '#contracts';
import {
  ServiceHarness,
  startBesideGatekeeper,
  startService,
  waitFor,
  type TestDatabase,
  type TestService,
} from '#testing';
import { guardian } from '../src/app.module.js';

/** The service with a gatekeeper beside it, and somebody to call it. */
export class Harness extends ServiceHarness {
  private readonly others: TestService[] = [];

  static async start(environment: Record<string, string> = {}, database?: TestDatabase): Promise<Harness> {
    const options = { environment, ...(database && { database }) };
    return new Harness('guardian', await startBesideGatekeeper('guardian', guardian, options));
  }

  /** Stops the service and starts it again on the same database, with the same files. */
  async restart(environment: Record<string, string> = {}): Promise<void> {
    const before = this.service;
    await before.stop();
    this.service = await startService('guardian', guardian, {
      database: before.database,
      environment: { ...before.environment, ...environment },
    });
  }

  /** Another instance on the same database, with the same home but for its spool. Stopped when this one is closed, if not before. */
  async beside(environment: Record<string, string> = {}): Promise<TestService> {
    const { GUARDIAN_PORT: _, ...shared } = this.service.environment;
    const spool = join(shared.GRAVITAS_HOME!, `spool-${randomUUID()}`);
    const other = await startService('guardian', guardian, {
      database: this.service.database,
      environment: { ...shared, AUDIT_SPOOL_DIR: spool, ...environment },
    });
    this.others.push(other);
    return other;
  }

  override async close(): Promise<void> {
    for (const other of this.others) await other.stop();
    await super.close();
  }

  /** Calls an instance as the router does. */
  async ask(service: TestService, method: 'get' | 'post' | 'put' | 'delete', path: string, body?: object) {
    const agent = request(service.url);
    const call = agent[method](path).set(await this.authorization('router'));
    return body === undefined ? call : call.send(body);
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
}
