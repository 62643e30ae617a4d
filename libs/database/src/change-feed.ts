import pg from 'pg';
import { openSession } from './open-session.js';

export interface ChangeFeedOptions {
  url: string;
  applicationName: string;
  /** As in `NOTIFY channel`. */
  channel: string;
  /** Reads what there is to know. Called once at a time. */
  refresh: () => Promise<void>;
  /** At least so often, whether anybody gave a hint or not. Milliseconds. */
  everyMs: number;
  /** Told once when refreshing or listening stops working, and with `undefined` when both work again. */
  onTrouble?: (error: Error | undefined) => void;
}

const RECONNECT_MS = 1000;
const CONNECT_TIMEOUT_MS = 5000;

/**
 * Keeps a copy of something in the database fresh: reads it again on every NOTIFY, after every reconnection, and at least every
 * `everyMs`. Notifications are hints, the database is the truth: where they do not arrive (a pooler in transaction mode, a connection
 * that broke) the copy is at most `everyMs` old. Listens on a connection of its own.
 */
export class ChangeFeed {
  private client: pg.Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private reconnect: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private readonly ending = new AbortController();
  private readonly troubles = new Map<'refresh' | 'listen', Error>();

  private constructor(private readonly options: ChangeFeedOptions) {}

  /** Reads once, then follows. @throws what the first `refresh` throws */
  static async open(options: ChangeFeedOptions): Promise<ChangeFeed> {
    const feed = new ChangeFeed(options);
    await options.refresh();
    feed.timer = setInterval(() => feed.hint(), options.everyMs);
    feed.timer.unref();
    await feed.listen();
    return feed;
  }

  /** Reads again now; a call while one is under way waits for one that began after the call. Never rejects. */
  refresh(): Promise<void> {
    if (this.running) {
      this.again = true;
      return this.running;
    }
    this.running = this.run().finally(() => (this.running = undefined));
    return this.running;
  }

  async close(): Promise<void> {
    this.ending.abort(new Error('the feed was closed'));
    clearInterval(this.timer);
    clearTimeout(this.reconnect);
    await this.client?.end().catch(() => undefined);
    await this.running;
  }

  private get closed(): boolean {
    return this.ending.signal.aborted;
  }

  private hint(): void {
    this.refresh().catch(() => undefined);
  }

  private async run(): Promise<void> {
    do {
      this.again = false;
      try {
        await this.options.refresh();
        this.note('refresh', undefined);
      } catch (error) {
        this.note('refresh', error as Error);
      }
    } while (this.again && !this.closed);
  }

  private async listen(): Promise<void> {
    if (this.closed) return;
    let client: pg.Client | undefined;
    try {
      client = await this.connect();
      await client.query(`LISTEN ${pg.escapeIdentifier(this.options.channel)}`);
      this.note('listen', undefined);
      // Whatever was said before now was not heard.
      this.hint();
    } catch (error) {
      this.lost(client, error as Error);
    }
  }

  private async connect(): Promise<pg.Client> {
    const { url, applicationName } = this.options;
    const config: pg.ClientConfig = {
      connectionString: url,
      application_name: `${applicationName}-listen`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    };
    const client = await openSession(config, this.ending.signal);
    this.client = client;
    client.on('notification', () => this.hint());
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, new Error('the connection that listens ended')));
    if (this.closed) await client.end();
    return client;
  }

  private lost(client: pg.Client | undefined, error: Error): void {
    if (this.closed || client !== this.client) return;
    this.client = undefined;
    client?.end().catch(() => undefined);
    this.note('listen', error);
    this.reconnect = setTimeout(() => {
      this.listen().catch(() => undefined);
    }, RECONNECT_MS);
    this.reconnect.unref();
  }

  private note(what: 'refresh' | 'listen', error: Error | undefined): void {
    if (this.closed) return;
    const before = this.troubles.size;
    if (error) this.troubles.set(what, error);
    else this.troubles.delete(what);
    if (before === 0 && error) this.options.onTrouble?.(error);
    if (before > 0 && this.troubles.size === 0) this.options.onTrouble?.(undefined);
  }
}
