import {
  sessionEndResponse,
  sessionStartResponse,
  type SessionEndRequest,
  type SessionEndResponse,
  type SessionStartRequest,
  type SessionStartResponse,
} from '#contracts';
import { PeerClient } from './peer-client.js';

export class GuardianClient extends PeerClient {
  /** @throws ServiceError forbidden (no valid certificate), conflict (already active) or unavailable */
  startSession(body: SessionStartRequest, requestId?: string): Promise<SessionStartResponse> {
    return this.call({ method: 'POST', path: '/session/start', body, requestId, response: sessionStartResponse });
  }

  /** @throws ServiceError not_found or unavailable */
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
