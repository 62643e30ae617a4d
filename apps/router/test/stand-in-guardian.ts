import { type IncomingMessage, type ServerResponse } from 'node:http';
import { sessionEndRequest, sessionStartRequest } from '#contracts';
import { JsonServer, sendJson, sendProblem } from './json-server.js';

/** A guardian for tests: certifies everybody but those whom a test names. */
export class StandInGuardian extends JsonServer {
  readonly started: { agent: string; session_id: string; metadata: Record<string, unknown> }[] = [];
  readonly ended: { session_id: string; outcome: string }[] = [];
  readonly uncertified = new Set<string>();
  /** Statuses with which a path answers instead. */
  readonly failing = new Map<string, number>();

  protected handle(request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): void {
    const path = request.url ?? '';
    const failure = this.failing.get(path);
    if (failure !== undefined) return sendProblem(response, failure, 'outage', 'outage');
    if (path === '/session/start') {
      const session = sessionStartRequest.parse(body);
      if (this.uncertified.has(session.agent))
        return sendProblem(response, 403, 'not_certified', `Agent '${session.agent}' lacks a valid certificate`);
      this.started.push(session);
      return sendJson(response, 200, { allowed: true, reason: 'certified' });
    }
    const ending = sessionEndRequest.parse(body);
    this.ended.push(ending);
    sendJson(response, 200, { ...ending, agent: 'someone', duration_seconds: 0 });
  }
}
