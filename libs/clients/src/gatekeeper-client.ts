import {
  explainResponse,
  ingestResponse,
  introspectResponse,
  validateResponse,
  type AuditEvent,
  type ExplainResponse,
  type IngestResponse,
  type IntrospectResponse,
  type ValidateRequest,
  type ValidateResponse,
} from '#contracts';
import { PeerClient } from './peer-client.js';

export class GatekeeperClient extends PeerClient {
  /**
   * May the agent with this token do this? Each question is audited there.
   *
   * @throws ServiceError unauthenticated, forbidden (with the gatekeeper's reason) or unavailable
   */
  validate(agentToken: string, body: ValidateRequest, requestId?: string): Promise<ValidateResponse> {
    return this.call({ method: 'POST', path: '/validate', body, agentToken, requestId, response: validateResponse });
  }

  /** What would `validate` say, and why? Nothing is decided, nothing is recorded. */
  explain(agentToken: string, body: ValidateRequest, requestId?: string): Promise<ExplainResponse> {
    return this.call({
      method: 'POST',
      path: '/v1/policy/explain',
      body,
      agentToken,
      requestId,
      idempotent: true,
      response: explainResponse,
    });
  }

  /** Whose token is this? No policy is asked. */
  introspect(token: string, requestId?: string): Promise<IntrospectResponse> {
    return this.call({
      method: 'POST',
      path: '/v1/tokens/introspect',
      body: { token },
      requestId,
      idempotent: true,
      response: introspectResponse,
    });
  }

  /** Hands over audit events; resolves once they are durable there. */
  ingest(events: readonly AuditEvent[]): Promise<IngestResponse> {
    return this.call({
      method: 'POST',
      path: '/v1/audit/events',
      body: { events },
      idempotent: true,
      response: ingestResponse,
    });
  }
}
