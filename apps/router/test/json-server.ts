import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

/** A small HTTP server on a free port of loopback that reads JSON; subclasses say what it answers. */
export abstract class JsonServer {
  /** How many connections were made so far. */
  connections = 0;
  private readonly server: Server = createServer((request, response) => {
    response.on('error', () => undefined);
    this.read(request)
      .then((body) => this.handle(request, response, body))
      .catch(() => response.destroy());
  });

  protected abstract handle(
    request: IncomingMessage,
    response: ServerResponse,
    body: Record<string, unknown>,
  ): void | Promise<void>;

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<this> {
    this.server.on('connection', () => this.connections++).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async read(request: IncomingMessage): Promise<Record<string, unknown>> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>;
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function sendProblem(response: ServerResponse, status: number, code: string, detail: string): void {
  const body = { type: 'about:blank', title: 'Error', status, detail, code, request_id: 'r' };
  sendJson(response, status, body, { 'content-type': 'application/problem+json' });
}
