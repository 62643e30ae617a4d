import {
  sessionEndResponse,
  sessionHeartbeatResponse,
  sessionStartResponse,
  type SessionEndRequest,
  type SessionEndResponse,
  type SessionHeartbeatRequest,
  type SessionHeartbeatResponse,
  type SessionStartRequest,
  type SessionStartResponse,
} from '#contracts';
import { PeerClient } from './peer-client.js';

export class GuardianClient extends PeerClient {
  /** @throws ServiceError forbidden (no valid certificate), conflict (already active) or unavailable */
  startSession(body: SessionStartRequest, requestId?: string): Promise<SessionStartResponse> {
    return this.call({ method: 'POST', path: '/session/start', body, requestId, response: sessionStartResponse });
  }

  /** @throws ServiceError not_found, conflict (it has ended, or was abandoned) or unavailable */
  heartbeat(body: SessionHeartbeatRequest, requestId?: string): Promise<SessionHeartbeatResponse> {
    return this.call({
      method: 'POST',
      path: '/session/heartbeat',
      body,
      requestId,
      idempotent: true,
      response: sessionHeartbeatResponse,
    });
  }

  /** @throws ServiceError not_found, conflict (it was abandoned) or unavailable */
  endSession(body: SessionEndRequest, requestId?: string): Promise<SessionEndResponse> {
    return this.call({
      method: 'POST',
      path: '/session/end',
      body,
      requestId,
      idempotent: true,
      response: sessionEndResponse,
    });
  }
}
