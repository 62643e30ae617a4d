import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { JsonServer, sendJson } from './json-server.js';

export interface UpstreamCall {
  path: string;
  authorization: string | undefined;
  body: Record<string, unknown>;
}
type Behaviour = (response: ServerResponse, call: UpstreamCall) => void | Promise<void>;

/** A provider for tests: speaks OpenAI's API over real HTTP, and behaves as a test wants. */
export class StandInUpstream extends JsonServer {
  readonly calls: UpstreamCall[] = [];
  /** How many clients went away before their answer was complete. */
  abandoned = 0;
  private behaviour: Behaviour = answer('hello');

  behave(behaviour: Behaviour): void {
    this.behaviour = behaviour;
  }

  protected async handle(
    request: IncomingMessage,
    response: ServerResponse,
    body: Record<string, unknown>,
  ): Promise<void> {
    const call = { path: request.url ?? '', authorization: request.headers.authorization, body };
    this.calls.push(call);
    response.once('close', () => {
      if (!response.writableEnded) this.abandoned++;
    });
    await this.behaviour(response, call);
  }
}

export const USAGE = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 };

/** A complete answer. */
export const answer =
  (content: string, usage: object | null = USAGE): Behaviour =>
  (response, { body }) =>
    sendJson(response, 200, {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: body['model'],
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      ...(usage && { usage }),
      system_fingerprint: 'kept',
    });

export const refuse =
  (status: number, body: unknown, headers: Record<string, string> = {}): Behaviour =>
  (response) =>
    sendJson(response, status, body, headers);

/** Never answers. */
export const stall: Behaviour = () => undefined;

export const cutOff: Behaviour = (response) => {
  response.destroy();
};

export function beginStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
}

export function sendChunk(response: ServerResponse, content: string, finish: string | null = null): boolean {
  const choices = [{ index: 0, delta: { content }, finish_reason: finish }];
  return sendEvent(response, { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices });
}

export function sendEvent(response: ServerResponse, event: unknown): boolean {
  return response.write(`data: ${JSON.stringify(event)}\n\n`);
}

/** A complete stream. With `usage`, the closing event of it, if the caller asked. */
export const stream =
  (words: readonly string[], usage: object | null = USAGE): Behaviour =>
  async (response, { body }) => {
    beginStream(response);
    for (const [i, word] of words.entries())
      if (!sendChunk(response, word, i === words.length - 1 ? 'stop' : null)) await once(response, 'drain');
    const options = body['stream_options'] as { include_usage?: boolean } | undefined;
    if (usage && options?.include_usage)
      sendEvent(response, { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage });
    response.end('data: [DONE]\n\n');
  };
