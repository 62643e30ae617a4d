import type pg from 'pg';
import { calling, type Call } from './call.js';
import { type HalfBreaker } from './half-breaker.js';

export interface NewHalfOptions {
  fresh: () => Promise<pg.PoolClient>;
  /** For each step, on the server; a connection that says nothing for twice as long is given up. */
  timeoutMs: number;
  breaker: HalfBreaker | undefined;
}

/** Errors of the connection, not of the statement: it cannot be used for a rollback. */
const NO_CONNECTION = /^(08|57P)/;

/**
 * The new side of one checkout's transactions. Begins when the first write needs it, with what the transaction said before. Nothing here
 * throws: what fails is kept, the transaction is rolled back, and the rest of it passes by.
 *
 * States: `none` (no transaction here), `open`, `failed` (one that was), `off` (there shall be none).
 */
export class NewHalf {
  /** Why this transaction has no new half. */
  failure: Error | undefined;
  private state: 'none' | 'open' | 'failed' | 'off' = 'none';
  private client: pg.PoolClient | undefined;
  private forget: () => unknown = () => undefined;
  private prelude: Call[] = [];
  private readonly session: Call[] = [];

  constructor(private readonly options: NewHalfOptions) {}

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** A write would open it. */
  get isWanted(): boolean {
    return this.state === 'none';
  }

  /** The other side's transaction has begun. */
  begun(call: Call, off: boolean): void {
    this.reset();
    this.prelude = [call];
    if (off) this.state = 'off';
  }

  /** The transaction has done something that a new half cannot share. */
  async leaveOut(): Promise<void> {
    await this.rollback();
    this.state = 'off';
  }

  /** What a transaction says before its first write, it says here when that comes. */
  async remember(call: Call): Promise<void> {
    if (this.state === 'open') await this.run(call);
    else if (this.state === 'none') this.prelude.push(call);
  }

  /** A setting outside of a transaction: this connection gets it with the next one, and will not be shared with others afterwards. */
  rememberForSession(call: Call): void {
    this.session.push(call);
    this.drop(true);
  }

  /** @param xid the other side's transaction */
  async open(xid: string): Promise<void> {
    await this.attempt(async () => {
      const client = (this.client ??= await this.connect());
      const { timeoutMs } = this.options;
      const [begin = calling('BEGIN'), ...rest] = this.prelude;
      // SET, since SELECT set_config(...) would come too early for a SET TRANSACTION that follows.
      const says = calling(`SET LOCAL decomposition.dual = 'on'; SET LOCAL decomposition.half_of = '${BigInt(xid)}';
        SET LOCAL statement_timeout = ${timeoutMs}`);
      this.state = 'open';
      for (const call of [begin, says, ...rest]) await this.step(client, call);
    });
  }

  async run(call: Call): Promise<void> {
    const { client } = this;
    if (this.state === 'open' && client) await this.attempt(() => this.step(client, call));
  }

  /** @returns whether it is known to be committed */
  async commit(): Promise<boolean> {
    await this.run(calling('COMMIT'));
    if (this.state !== 'open') return false;
    this.state = 'none';
    return true;
  }

  async rollback(): Promise<void> {
    const { client } = this;
    if (this.state !== 'open' || !client) return;
    this.state = 'none';
    await this.step(client, calling('ROLLBACK')).catch(() => this.drop(true));
  }

  /** For the next transaction. */
  reset(): void {
    this.state = 'none';
    this.prelude = [];
    this.failure = undefined;
  }

  release(): void {
    this.drop(this.state === 'open' || this.session.length > 0);
  }

  private async attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.failure ??= error as Error;
      const { code } = error as { code?: string };
      if (this.state === 'open' && /^[0-9A-Z]{5}$/.test(code ?? '') && !NO_CONNECTION.test(code!))
        await this.rollback();
      else this.drop(true);
      this.state = 'failed';
    }
  }

  private async connect(): Promise<pg.PoolClient> {
    const { breaker, fresh, timeoutMs } = this.options;
    if (breaker?.isOpen) throw new Error('the new database could not be reached a moment ago');
    const connecting = fresh();
    const client = await within(timeoutMs, connecting, 'a connection to the new database').catch((error: Error) => {
      breaker?.trip();
      // One that comes too late goes back.
      connecting.then(
        (late) => late.release(),
        () => undefined,
      );
      throw error;
    });
    // Stays for good when the connection is given up: what it says then must not end the process.
    const onError = (error: Error): void => this.lose(client, error);
    client.on('error', onError);
    this.forget = () => client.off('error', onError);
    this.client = client;
    for (const call of this.session) await this.step(client, call);
    return client;
  }

  private step(client: pg.PoolClient, { config: { text, values } }: Call): Promise<pg.QueryResult> {
    return within(2 * this.options.timeoutMs, client.query({ text, values }), 'the new database');
  }

  private lose(client: pg.PoolClient, error: Error): void {
    if (client !== this.client) return;
    if (this.state === 'open') {
      this.state = 'failed';
      this.failure ??= error;
    }
    this.drop(true);
  }

  private drop(broken: boolean): void {
    const { client } = this;
    this.client = undefined;
    if (!client) return;
    client.release(broken);
    if (!broken) this.forget();
  }
}

async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms in vain for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
