import { Injectable } from '@nestjs/common';
import { type z } from 'zod';
import { AuditTrail } from '#audit';
import {
  type AuditRecord,
  type SessionEndResponse,
  type SessionStartResponse,
  type sessionEndRequest,
  type sessionStartRequest,
} from '#contracts';
import { ServiceError } from '#errors';
import { type CallContext } from '#http';
import { AgentRights } from '../access/agent-rights.js';
import { actor, actorName } from '../audit/actor.js';
import { CertificateCheck } from '../validate/certificate-check.js';
import { SessionsRepository } from './sessions.repository.js';

/** Sessions are only ever an agent's own, unless a policy says otherwise or a service acts for it. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly check: CertificateCheck,
    private readonly rights: AgentRights,
    private readonly trail: AuditTrail,
  ) {}

  /** @throws ServiceError forbidden (no valid certificate, or no right), conflict (active, or ended), unavailable */
  async start(request: z.output<typeof sessionStartRequest>, call: CallContext): Promise<SessionStartResponse> {
    const { agent, session_id: sessionId, metadata } = request;
    await this.rights.needUnlessOwn(call, agent, 'write', sessionsOf(agent));
    const refusal = {
      ...actor(call, agent),
      action: 'session.start',
      resource: sessionsOf(agent),
      session_id: sessionId,
      entities: [
        { kind: 'agent', id: agent },
        { kind: 'session', id: sessionId },
      ],
    };
    const { expiresAt } = await this.check.pass(agent, refusal);
    const started = await this.sessions.start({ sessionId, agent, startedBy: actorName(call.principal), metadata });
    if (!started) await this.refuseTaken(sessionId, refusal);
    return { allowed: true, reason: `Agent '${agent}' is certified until ${expiresAt.toISOString()}` };
  }

  /** @throws ServiceError not_found, forbidden (another's session, and no right), unavailable */
  async end(request: z.output<typeof sessionEndRequest>, call: CallContext): Promise<SessionEndResponse> {
    const session = await this.sessions.find(request.session_id);
    if (session === null)
      throw new ServiceError('not_found', 'session_not_found', `There is no session '${request.session_id}'`);
    await this.rights.needUnlessOwn(call, session.agent, 'write', sessionsOf(session.agent));
    return this.sessions.end(session.sessionId, request.outcome, request.output_file ?? null);
  }

  private async refuseTaken(sessionId: string, refusal: Omit<AuditRecord, 'result'>): Promise<never> {
    const active = (await this.sessions.find(sessionId))?.endedAt === null;
    const detail = active
      ? `Session '${sessionId}' is already active`
      : `Session '${sessionId}' has ended; start another under an id of its own`;
    const auditId = await this.trail.record({ ...refusal, result: 'DENIED', reason: detail });
    throw new ServiceError('conflict', active ? 'session_active' : 'session_ended', detail, {
      extensions: { audit_id: auditId },
    });
  }
}

function sessionsOf(agent: string): string {
  return `guardian/sessions/${agent}`;
}
