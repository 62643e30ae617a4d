import { Inject, Injectable } from '@nestjs/common';
import { type z } from 'zod';
import { AuditTrail } from '#audit';
import {
  type AuditRecord,
  type SessionEndResponse,
  type SessionHeartbeatResponse,
  type SessionStartResponse,
  type sessionEndRequest,
  type sessionStartRequest,
} from '#contracts';
import { ServiceError } from '#errors';
import { type CallContext } from '#http';
import { AgentRights } from '../access/agent-rights.js';
import { actor, actorName } from '../audit/actor.js';
import { CertificateCheck } from '../validate/certificate-check.js';
import { CONFIG, type GuardianConfig } from '../config.js';
import { sessionsOf } from './session-events.js';
import { type Session } from './session.entity.js';
import { SessionsRepository } from './sessions.repository.js';

/** Sessions are only ever an agent's own, unless a policy says otherwise or a service acts for it. */
@Injectable()
export class SessionsService {
  constructor(
    @Inject(CONFIG) private readonly config: GuardianConfig,
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

  /** @throws ServiceError not_found, forbidden (another's session, and no right), conflict (ended), unavailable */
  async hear(sessionId: string, call: CallContext): Promise<SessionHeartbeatResponse> {
    const session = await this.find(sessionId, call);
    const expiresAt = await this.sessions.hear(sessionId, this.config.sessionTimeout);
    if (expiresAt !== undefined) return { session_id: sessionId, expires_at: expiresAt.toISOString() };
    const outcome = session.outcome ?? (await this.sessions.find(sessionId))?.outcome;
    if (outcome === 'abandoned') throw this.abandoned(sessionId);
    throw new ServiceError('conflict', 'session_ended', `Session '${sessionId}' has ended`);
  }

  /** @throws ServiceError not_found, forbidden (another's session, and no right), conflict (abandoned), unavailable */
  async end(request: z.output<typeof sessionEndRequest>, call: CallContext): Promise<SessionEndResponse> {
    const { sessionId } = await this.find(request.session_id, call);
    const { outcome, ...ended } = await this.sessions.end(sessionId, request.outcome, request.output_file ?? null);
    if (outcome === 'abandoned') throw this.abandoned(sessionId);
    return { ...ended, outcome };
  }

  private async find(sessionId: string, call: CallContext): Promise<Session> {
    const session = await this.sessions.find(sessionId);
    if (session === null)
      throw new ServiceError('not_found', 'session_not_found', `There is no session '${sessionId}'`);
    await this.rights.needUnlessOwn(call, session.agent, 'write', sessionsOf(session.agent));
    return session;
  }

  private abandoned(sessionId: string): ServiceError {
    const detail =
      `Session '${sessionId}' was closed as abandoned: nothing was heard of it for ${this.config.sessionTimeout} seconds. ` +
      'Send heartbeats (POST /session/heartbeat), or raise GUARDIAN_SESSION_TIMEOUT';
    return new ServiceError('conflict', 'session_abandoned', detail);
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
