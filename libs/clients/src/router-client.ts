import { Pool, type Dispatcher } from 'undici';
import { modelList, registryModels, type ModelList, type RegistryModels, type RegistryQuery } from '#contracts';
import { isProblem, mediaType, retryAfterOf } from './peer-answer.js';
import { PeerClient, type PeerOptions } from './peer-client.js';
import { PeerFailure } from './peer-failure.js';

/** The router answers when the model begins to: that may take a while. */
const FIRST_BYTE_TIMEOUT_MS = 330_000;
const BETWEEN_BYTES_TIMEOUT_MS = 120_000;
const CHAT_CONNECTIONS = 1024;

export class RouterClient extends PeerClient {
  /** Completions hold a connection for as long as a model talks: they have a pool of their own, so that short calls need not wait. */
  private readonly chats: Pool;

  constructor(options: PeerOptions) {
    super(options);
    this.chats = new Pool(options.url, {
      connections: CHAT_CONNECTIONS,
      connect: { timeout: 2000 },
      keepAliveTimeout: 30_000,
    });
  }

  /** @param agentToken the agent's own token to pass on; without one, this service asks */
  models(agentToken: string | undefined, requestId?: string): Promise<ModelList> {
    return this.call({
      method: 'GET',
      path: '/v1/models',
      ...(agentToken !== undefined && { agentToken }),
      requestId,
      idempotent: true,
      response: modelList,
    });
  }

  registry(query: RegistryQuery, requestId?: string): Promise<RegistryModels> {
    const parameters = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return this.call({
      method: 'GET',
      path: `/v1/registry/models?${new URLSearchParams(parameters).toString()}`,
      requestId,
      idempotent: true,
      response: registryModels,
    });
  }

  /**
   * A chat completion as the agent itself. The answer is handed over as it comes, whatever its status, if it is the router's: a
   * completion, a stream of one, or a problem. There is no circuit breaker: a model may think for minutes before it begins, and
   * while one such call tried whether the router is back, all others would be refused.
   *
   * @param signal aborts the call, and with it the model's work
   * @throws ServiceError unavailable when the router does not answer, or something else does in its place
   */
  async chat(
    agentToken: string,
    body: unknown,
    requestId: string,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    try {
      const answer = await this.chats.request({
        method: 'POST',
        path: '/v1/chat/completions',
        headers: this.headers({ agentToken, requestId }),
        body: JSON.stringify(body),
        signal,
        headersTimeout: FIRST_BYTE_TIMEOUT_MS,
        bodyTimeout: BETWEEN_BYTES_TIMEOUT_MS,
      });
      if (isRouters(answer)) return answer;
      answer.body.on('error', () => undefined).destroy();
      throw new PeerFailure(
        `router answered ${answer.statusCode} with ${mediaType(answer.headers)}`,
        retryAfterOf(answer.headers),
      );
    } catch (error) {
      throw signal.aborted ? error : this.outage(error);
    }
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.chats.destroy()]);
  }
}

const COMPLETION_TYPES: ReadonlySet<string> = new Set(['application/json', 'text/event-stream']);

/** A redirect or a proxy's page is nobody's answer. */
function isRouters({ statusCode, headers }: Dispatcher.ResponseData): boolean {
  if (statusCode >= 400) return isProblem(headers);
  return statusCode === 200 && COMPLETION_TYPES.has(mediaType(headers));
}
