import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

interface ChatBody {
  model?: string;
  stream?: boolean;
  messages: { content: string }[];
}

/** A model of the stand-in. Ends the response itself. */
type Model = (response: ServerResponse, text: string, stream: boolean) => void | Promise<void>;

export const refusals: Record<string, { status: number; code: string; type: string }> = {
  missing: { status: 404, code: 'model_not_found', type: 'not_found_error' },
  denied: { status: 403, code: 'policy_denied', type: 'permission_error' },
  busy: { status: 429, code: 'rate_limited', type: 'rate_limit_error' },
  broken: { status: 502, code: 'upstream_error', type: 'server_error' },
};

/** A router for the lobby's tests: a real HTTP server whose models answer, hold, stall, break and refuse, by their names. */
export class StandInRouter {
  readonly requests: { headers: IncomingMessage['headers']; body: ChatBody & Record<string, unknown> }[] = [];
  /** Completions whose client went away before they ended. */
  cancelled = 0;
  private letGo: () => void = () => undefined;
  private readonly server: Server = createServer((request, response) => {
    this.answer(request, response).catch(() => response.destroy());
  });

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  /** Lets the model `hold` say the rest. */
  release(): void {
    this.letGo();
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private readonly models: Record<string, Model> = {
    echo: (response, text, stream) => {
      if (!stream) return void json(response, 200, completion(text));
      for (const word of text.split(/(?<= )/)) response.write(delta(word));
      response.end('data: [DONE]\n\n');
    },
    hold: async (response) => {
      response.write(delta('first '));
      await new Promise<void>((resolve) => (this.letGo = resolve));
      response.write(delta('second'));
      response.end('data: [DONE]\n\n');
    },
    stall: (response, _text, stream) => {
      if (stream) response.write(delta('all that came'));
    },
    break: (response, _text, stream) => {
      if (!stream) response.setHeader('content-type', 'application/json');
      response.write(stream ? delta('half an ans') : '{"choices":', () => response.destroy());
    },
    error: (response) => {
      response.write(delta('so far'));
      response.end('data: {"error":{"message":"the provider failed"}}\n\n');
    },
    flood: async (response) => {
      for (let i = 0; i < 200 && !response.destroyed; i++)
        if (!response.write(delta('x'.repeat(10_000)))) await once(response, 'drain');
      response.end('data: [DONE]\n\n');
    },
  };

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await textOf(request);
    if (request.method === 'GET') {
      this.requests.push({ headers: request.headers, body: { messages: [], url: request.url } });
      return answerGet(request.url ?? '', response);
    }
    const body = JSON.parse(text) as ChatBody & Record<string, unknown>;
    this.requests.push({ headers: request.headers, body });
    response.once('close', () => {
      if (!response.writableFinished) this.cancelled++;
    });
    const name = body.model ?? 'echo';
    const refusal = refusals[name];
    if (refusal) return refuse(response, refusal);
    if (body.stream) response.writeHead(200, { 'content-type': 'text/event-stream', 'x-session-id': 'session-1' });
    await this.models[name]!(response, body.messages.at(-1)!.content, body.stream === true);
  }
}

function answerGet(url: string, response: ServerResponse): void {
  const model = {
    provider: 'builtin',
    tier: 'L1',
    context_window: 1,
    cost_per_1k_input: 0,
    cost_per_1k_output: 0,
    capabilities: [],
    available: true,
  };
  if (url.startsWith('/v1/registry/models')) return json(response, 200, { models: { echo: model }, count: 1 });
  json(response, 200, { object: 'list', data: [{ id: 'echo', object: 'model', created: 0, owned_by: 'builtin' }] });
}

function refuse(
  response: ServerResponse,
  { status, code, type }: { status: number; code: string; type: string },
): void {
  const detail = `refused: ${code}`;
  response.setHeader('retry-after', '7');
  const problem = { type: 'about:blank', title: '', status, detail, code, request_id: 'r', audit_id: 'a-1' };
  const error = { message: detail, type, code, param: null };
  json(response, status, { ...problem, error }, 'application/problem+json');
}

function json(response: ServerResponse, status: number, body: object, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}

function completion(text: string): object {
  const choices = [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: text } }];
  return { id: 'c', object: 'chat.completion', created: 0, model: 'echo-1', choices };
}

function delta(content: string): string {
  const choices = [{ index: 0, delta: { content } }];
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 0, model: 'echo-1', choices })}\n\n`;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
