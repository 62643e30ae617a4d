import { Body, Controller, Post } from '@nestjs/common';
import { type z } from 'zod';
import {
  sessionEndRequest,
  sessionEndResponse,
  sessionHeartbeatRequest,
  sessionHeartbeatResponse,
  sessionStartRequest,
  sessionStartResponse,
  type SessionEndResponse,
  type SessionHeartbeatResponse,
  type SessionStartResponse,
} from '#contracts';
import { Authenticated, Call, Endpoint, type CallContext } from '#http';
import { SessionsService } from './sessions.service.js';

@Controller('session')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Post('start')
  @Authenticated()
  @Endpoint({
    summary: 'Start a session',
    description:
      'An agent starts its own; for another it needs `write` on guardian/sessions/<agent>. Refusals are recorded in the audit trail.',
    response: sessionStartResponse,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      403: 'No valid certificate (as /validate says it), or not allowed',
      409: 'The session is active already (`session_active`), or has ended (`session_ended`)',
      503: 'Refused, but it could not be recorded (`audit_unavailable`)',
    },
  })
  start(
    @Body({ schema: sessionStartRequest }) body: z.output<typeof sessionStartRequest>,
    @Call() call: CallContext,
  ): Promise<SessionStartResponse> {
    return this.sessions.start(body, call);
  }

  @Post('heartbeat')
  @Authenticated()
  @Endpoint({
    summary: 'Say that a session goes on',
    description:
      'A session that is not heard of for GUARDIAN_SESSION_TIMEOUT is closed as abandoned; its start counts as hearing of it. ' +
      "An agent speaks for its own sessions; for another's it needs `write` on guardian/sessions/<agent>.",
    response: sessionHeartbeatResponse,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      403: "Another agent's session, and not allowed",
      404: 'There is no such session',
      409: 'It has ended (`session_ended`), or was abandoned (`session_abandoned`)',
    },
  })
  heartbeat(
    @Body({ schema: sessionHeartbeatRequest }) body: z.output<typeof sessionHeartbeatRequest>,
    @Call() call: CallContext,
  ): Promise<SessionHeartbeatResponse> {
    return this.sessions.hear(body.session_id, call);
  }

  @Post('end')
  @Authenticated()
  @Endpoint({
    summary: 'End a session',
    description: 'Idempotent: a session that has ended keeps its first outcome, and the answer says that one.',
    response: sessionEndResponse,
    errors: {
      400: 'The body is not as described',
      401: 'No valid token',
      403: "Another agent's session, and not allowed",
      404: 'There is no such session',
      409: 'It was abandoned (`session_abandoned`)',
    },
  })
  end(
    @Body({ schema: sessionEndRequest }) body: z.output<typeof sessionEndRequest>,
    @Call() call: CallContext,
  ): Promise<SessionEndResponse> {
    return this.sessions.end(body, call);
  }
}
