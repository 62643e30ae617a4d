import { randomUUIDv7 } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { jwtVerify } from 'jose';
import { z } from 'zod';
import {
  ingestRequest,
  introspectRequest,
  validateRequest,
  type AuditEvent,
  type ExplainResponse,
  type IngestResponse,
  type IntrospectResponse,
  type ValidateResponse,
} from '#contracts';
import { ServiceError, type ErrorKind } from '#errors';
import { bearerToken, invalidToken, ServiceTokens, toProblem } from '#http';
import { TEST_JWT_SECRET, TEST_SERVICE_KEY } from './tokens.js';

/** What somebody asked at /validate or /v1/policy/explain. */
export interface AskedValidation {
  ghost_id: string;
  groups: string[];
  action: string;
  resource: string;
  metadata: Record<string, unknown>;
  request_id: string;
  allowed: boolean;
}

type Agent = Extract<IntrospectResponse, { active: true }>;
type Question = Omit<AskedValidation, 'allowed'>;

const MAPPINGS: Record<string, string[]> = { Supervisor: ['admin'], Supervisor_Managed_Agent: ['admin'] };
const POLICY_VERSION = 'stand-in';
const claims = z.object({
  sub: z.string(),
  exp: z.number(),
  groups: z.array(z.string()).default([]),
  tid: z.string().default('default'),
});

/**
 * A gatekeeper for the tests of other services: a real HTTP server that speaks the part of its contract that services use.
 * It knows agents by TEST_JWT_SECRET and services by TEST_SERVICE_KEY. The group `admin` may do everything, others what `allow` says.
 */
export class StandInGatekeeper {
  /** Audit events taken so far, in order of arrival, each id once. */
  readonly events: AuditEvent[] = [];
  /** Questions asked by agents with a good token, with their answers. */
  readonly validations: AskedValidation[] = [];
  private readonly server: Server = createServer((request, response) => {
    const requestId = String(request.headers['x-request-id'] ?? randomUUIDv7());
    const send = (status: number, type: string, body: unknown): void => {
      response.writeHead(status, { 'content-type': type, 'x-request-id': requestId }).end(JSON.stringify(body));
    };
    this.answer(request, requestId).then(
      (body) => send(200, 'application/json', body),
      (error: unknown) => {
        const problem = toProblem(error, requestId);
        send(this.status ?? problem.status, 'application/problem+json', {
          ...problem,
          status: this.status ?? problem.status,
        });
      },
    );
  });
  private readonly services = new ServiceTokens('gatekeeper', TEST_SERVICE_KEY);
  private rule: (question: Question) => boolean = () => false;
  private status: number | undefined;

  /** `http://127.0.0.1:<port>` */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    // As the services': a client takes a connection again that has been idle for less.
    this.server.keepAliveTimeout = 65_000;
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  /** What agents outside the group `admin` may do; without a rule: nothing. */
  allow(rule: (question: Question) => boolean = () => false): void {
    this.rule = rule;
  }

  /** Answers everything with this status from now on, until called without one. */
  fail(status?: number): void {
    this.status = status;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, requestId: string): Promise<unknown> {
    const body = await readJson(request);
    if (this.status !== undefined) throw new ServiceError('unavailable', 'outage', 'The stand-in has an outage');
    const token = bearerToken(request.headers.authorization);
    switch (`${request.method} ${request.url}`) {
      case 'POST /validate':
        return this.validate(await agentOf(token), parse(validateRequest, body), requestId);
      case 'POST /v1/policy/explain':
        return this.explain(await agentOf(token), parse(validateRequest, body), requestId);
      case 'POST /v1/tokens/introspect':
        this.onlyServices(token);
        return agentOf(parse(introspectRequest, body).token).catch(() => ({ active: false }));
      case 'POST /v1/audit/events':
        this.onlyServices(token);
        return this.ingest(parse(ingestRequest, body).events);
      default:
        throw new ServiceError('not_found', 'not_found', `Cannot ${request.method} ${request.url}`);
    }
  }

  private validate(agent: Agent, asked: z.output<typeof validateRequest>, requestId: string): ValidateResponse {
    const { allowed } = this.decide(agent, asked, requestId);
    const reason = allowed ? 'the stand-in allows it' : 'no rule of the stand-in allows it';
    const decision = { ghost_id: agent.sub, audit_id: randomUUIDv7(), reason, policy_version: POLICY_VERSION };
    if (!allowed) throw refused('forbidden', 'policy_denied', `Access denied by policy: ${reason}`, decision);
    return { allowed, tenant_id: agent.tenant_id, groups: agent.groups, ...decision };
  }

  private explain(agent: Agent, asked: z.output<typeof validateRequest>, requestId: string): ExplainResponse {
    const { allowed } = this.decide(agent, asked, requestId);
    const reason = allowed ? 'the stand-in allows it' : 'no rule of the stand-in allows it';
    const about = { ghost_id: agent.sub, groups: agent.groups, policy_version: POLICY_VERSION };
    return { allowed, reason, rule: null, matched: [], considered: [], complete: true, ...about };
  }

  private decide(agent: Agent, asked: z.output<typeof validateRequest>, requestId: string): AskedValidation {
    const question = { ghost_id: agent.sub, groups: agent.groups, ...asked, request_id: requestId };
    const answered = { ...question, allowed: agent.groups.includes('admin') || this.rule(question) };
    this.validations.push(answered);
    return answered;
  }

  private ingest(events: readonly AuditEvent[]): IngestResponse {
    const known = new Set(this.events.map((event) => event.id));
    const fresh = events.filter((event) => !known.has(event.id));
    this.events.push(...fresh);
    return { accepted: fresh.length, duplicates: events.length - fresh.length };
  }

  private onlyServices(token: string): void {
    if (!this.services.claimsToBeService(token))
      throw refused('forbidden', 'service_token_required', 'Only services may call this; use a service token');
    this.services.accept(token);
  }
}

/** Starts one on a free port of loopback. Close it after the service that uses it. */
export function startStandInGatekeeper(): Promise<StandInGatekeeper> {
  return new StandInGatekeeper().listen();
}

async function agentOf(token: string): Promise<Agent> {
  try {
    const { payload } = await jwtVerify(token, new TextEncoder().encode(TEST_JWT_SECRET), { algorithms: ['HS256'] });
    const { sub, exp, groups, tid } = claims.parse(payload);
    return { active: true, sub, groups: [...new Set([...(MAPPINGS[sub] ?? []), ...groups])], tenant_id: tid, exp };
  } catch (error) {
    throw invalidToken(error);
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? undefined : JSON.parse(text);
}

function parse<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw refused('invalid', 'invalid_request', parsed.error.issues.map((issue) => issue.message).join('; '));
}

function refused(kind: ErrorKind, code: string, detail: string, extensions: Record<string, unknown> = {}) {
  return new ServiceError(kind, code, detail, { extensions });
}
