import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type ServiceName } from '#contracts';
import { agentToken, serviceToken } from '#testing';
import { type ControlPlane } from '../control-plane.js';
import { Ledger } from './ledger.js';

/** One that asks, waits for its answer, rests, and asks again. */
interface Actor {
  name: string;
  service: ServiceName;
  /** @throws Error when the answer is not what the ledger says that it must be */
  ask: (turn: number) => Promise<void>;
}

const REQUEST_TIMEOUT_MS = 20_000;

/** Readers and writers on all five services at a steady pace; each answer is checked against what was written before. */
export class SteadyLoad {
  readonly ledger = new Ledger();
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();
  private readonly began = Date.now();

  constructor(
    private readonly plane: ControlPlane,
    /** Between two requests of one actor. Milliseconds. */
    private readonly restMs: number,
  ) {}

  async start(): Promise<void> {
    const actors = await this.actors();
    this.running = Promise.all(actors.map((actor) => this.run(actor)));
  }

  /** Requests under way are waited for. */
  async stop(): Promise<Ledger> {
    this.stopping.abort();
    await this.running;
    return this.ledger;
  }

  private async run(actor: Actor): Promise<void> {
    for (let turn = 0; !this.stopping.signal.aborted; turn++) {
      const began = performance.now();
      try {
        await actor.ask(turn);
      } catch (error) {
        this.ledger.failures.push({ actor: actor.name, what: (error as Error).message, at: Date.now() - this.began });
      }
      this.ledger.requests[actor.service] += 1;
      this.ledger.note(actor.name, performance.now() - began);
      await delay(this.restMs * (0.5 + Math.random()), undefined, { signal: this.stopping.signal }).catch(
        () => undefined,
      );
    }
  }

  private async actors(): Promise<Actor[]> {
    const admin = `Bearer ${await agentToken('Supervisor', { ttl: 3600 })}`;
    const scout = `Bearer ${await agentToken('Scout', { ttl: 3600 })}`;
    const twice = (make: (number: number) => Actor): Actor[] => [make(1), make(2)];
    return [
      ...twice((n) => this.badges(`Ledger${n}`, admin)),
      ...twice((n) => this.measurements(`ledger-${n}`, admin)),
      ...twice((n) => this.usage(`usage-${n}`)),
      ...twice((n) => this.decisions(`decisions-${n}`, scout, admin)),
      ...twice((n) => this.chats(`chats-${n}`, scout)),
      { name: 'models', service: 'router', ask: async () => this.models(scout) },
    ];
  }

  private badges(ghost: string, authorization: string): Actor {
    const { guardian } = this.plane;
    return {
      name: `badges of ${ghost}`,
      service: 'guardian',
      ask: async (turn) => {
        const badge = `badge-${turn % 7}`;
        const key = `${ghost}/${badge}`;
        const path = `${guardian.url}/badges/${ghost}`;
        if (this.ledger.badges.has(key)) {
          await call(`${path}/${badge}`, { method: 'DELETE', headers: { authorization } });
          this.ledger.badges.delete(key);
        } else {
          await call(`${path}/${badge}`, { method: 'PUT', headers: { authorization } });
          this.ledger.badges.add(key);
        }
        const answer = JSON.stringify(await call(path, { headers: { authorization } }));
        for (let i = 0; i < 7; i++)
          if (answer.includes(`"badge-${i}"`) !== this.ledger.badges.has(`${ghost}/badge-${i}`))
            throw new Error(`the badges of ${ghost} are ${answer} after ${badge}`);
      },
    };
  }

  private measurements(component: string, authorization: string): Actor {
    const { telemetry } = this.plane;
    return {
      name: `measurements of ${component}`,
      service: 'telemetry',
      ask: async (turn) => {
        const name = `${component}-${turn}`;
        const body = { event_type: 'ledger', component, value: turn, metadata: { name } };
        const headers = { authorization: `Bearer ${await serviceToken('router', 'telemetry')}` };
        await call(`${telemetry.url}/v1/telemetry/log`, { method: 'POST', headers, body: JSON.stringify(body) });
        this.ledger.measurements.add(name);
        if (turn % 5 === 0)
          await call(`${telemetry.url}/v1/telemetry/events?component=${component}&limit=10&hours=1`, {
            headers: { authorization },
          });
      },
    };
  }

  private usage(ghost: string): Actor {
    const { telemetry } = this.plane;
    return {
      name: `usage of ${ghost}`,
      service: 'telemetry',
      ask: async () => {
        const id = randomUUID();
        const body = {
          id,
          ghost_id: ghost,
          model: 'echo',
          provider: 'echo',
          tier: 'L1',
          tokens_in: 1,
          tokens_out: 2,
          cost_usd: 0.001,
          latency_ms: 1,
          outcome: 'succeeded',
        };
        const headers = { authorization: `Bearer ${await serviceToken('router', 'telemetry')}` };
        await call(`${telemetry.url}/v1/usage`, { method: 'POST', headers, body: JSON.stringify(body) });
        this.ledger.calls.add(id);
      },
    };
  }

  private decisions(name: string, authorization: string, reader: string): Actor {
    const { gatekeeper } = this.plane;
    return {
      name,
      service: 'gatekeeper',
      ask: async (turn) => {
        const body = JSON.stringify({ action: 'execute', resource: 'shells/l1/echo', metadata: { name, turn } });
        const answer = (await call(`${gatekeeper.url}/validate`, {
          method: 'POST',
          headers: { authorization },
          body,
        })) as {
          audit_id: string;
        };
        this.ledger.decisions.add(answer.audit_id);
        if (turn % 4 === 0)
          await call(`${gatekeeper.url}/v1/audit/events?ghost_id=Scout&limit=5`, {
            headers: { authorization: reader },
          });
      },
    };
  }

  private chats(name: string, authorization: string): Actor {
    const { lobby } = this.plane;
    return {
      name,
      service: 'lobby',
      ask: async (turn) => {
        const id = `${name}-${turn}-${randomUUID()}`;
        const content = `What is ${id}?`;
        const body = JSON.stringify({ model: 'echo', messages: [{ role: 'user', content }] });
        const headers = { authorization, 'x-request-id': id };
        const answer = JSON.stringify(
          await call(`${lobby.url}/v1/chat/completions`, { method: 'POST', headers, body }),
        );
        if (!answer.includes(content)) throw new Error(`the answer to ${id} is ${answer}`);
        this.ledger.chats.set(id, content);
        const history = JSON.stringify(await call(`${lobby.url}/v1/history?limit=20`, { headers: { authorization } }));
        if (!history.includes(content)) throw new Error(`the history does not have ${id}, which was answered`);
      },
    };
  }

  private async models(authorization: string): Promise<void> {
    const answer = JSON.stringify(
      await call(`${this.plane.router.url}/v1/registry/models`, { headers: { authorization } }),
    );
    if (!answer.includes('echo')) throw new Error(`the models are ${answer}`);
  }
}

async function call(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, {
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`${init.method ?? 'GET'} ${new URL(url).pathname}: ${response.status} ${text.slice(0, 300)}`);
  return text === '' ? undefined : JSON.parse(text);
}
