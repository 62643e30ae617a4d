import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';

/** Stands between a service and its callers, passes everything on, and remembers the tokens that went by. */
export class RecordingProxy {
  readonly tokens: string[] = [];
  private readonly server: Server;

  private constructor(target: string) {
    this.server = createServer((incoming, response) => {
      const token = incoming.headers.authorization?.replace('Bearer ', '');
      if (token !== undefined) this.tokens.push(token);
      const { method, url, headers } = incoming;
      const passed = request(target + url, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      passed.on('error', () => response.destroy());
      incoming.pipe(passed);
    });
    // The services' own, which their answers announce.
    this.server.keepAliveTimeout = 65_000;
  }

  static async before(target: string): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
