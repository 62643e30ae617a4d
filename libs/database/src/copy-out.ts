import { type ClientBase, type Connection, type Submittable } from 'pg';

/** What is handed on at once; a larger row comes alone. */
const BATCH_BYTES = 128 * 1024;
/** The socket is left alone while so many batches wait to be taken. */
const WAITING_BATCHES = 2;

/**
 * Reads a `COPY ... TO STDOUT`: its bytes, in the format that the statement asks for, in buffers of about 128 KiB that are the reader's own.
 * Memory stays the same whatever comes: the socket is paused while the reader is behind. The statement is sent when the first buffer is
 * asked for. Whoever stops early waits until PostgreSQL has sent the rest, which is thrown away; end it with `pg_cancel_backend` where
 * that is too much. Either way, also after an error, the connection is usable afterwards.
 *
 * @throws pg.DatabaseError as PostgreSQL reports it, or the connection's error
 */
export function copyOut(client: ClientBase, sql: string): AsyncIterableIterator<Buffer, number, void> {
  return new CopyOutReader(client, sql);
}

/** Unlike a generator it can be ended while somebody waits for the next buffer. The last result tells the number of rows. */
class CopyOutReader implements AsyncIterableIterator<Buffer, number, void> {
  private copy: CopyOut | undefined;
  private returned = false;

  constructor(
    private readonly client: ClientBase,
    private readonly sql: string,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Buffer, number>> {
    if (this.returned) return { done: true, value: 0 };
    this.copy ??= this.client.query(new CopyOut(this.sql));
    const value = await this.copy.take();
    return value ? { done: false, value } : { done: true, value: this.copy.rowCount };
  }

  async return(): Promise<IteratorResult<Buffer, number>> {
    this.returned = true;
    await this.copy?.discard();
    return { done: true, value: this.copy?.rowCount ?? 0 };
  }
}

/**
 * To be given to pg's `client.query`. Source: PostgreSQL documentation, Frontend/Backend Protocol, "COPY Operations". The methods are
 * those that pg calls on a query.
 */
class CopyOut implements Submittable {
  rowCount = 0;
  private readonly batches: Buffer[] = [];
  private batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  private filled = 0;
  private socket: Connection['stream'] | undefined;
  private isPaused = false;
  private isDiscarding = false;
  private hasEnded = false;
  private failure: Error | undefined;
  /** Wakes those who wait for something to change. */
  private change = Promise.withResolvers<void>();

  constructor(private readonly sql: string) {}

  submit(connection: Connection): void {
    this.socket = connection.stream;
    connection.query(this.sql);
  }

  /** @returns undefined when there is nothing more */
  async take(): Promise<Buffer | undefined> {
    for (;;) {
      const batch = this.batches.shift();
      if (batch && !this.isDiscarding) {
        if (this.batches.length < WAITING_BATCHES) this.resume();
        return batch;
      }
      if (!this.hasEnded) await this.change.promise;
      else if (this.failure) throw this.failure;
      else return undefined;
    }
  }

  /** Resolves when the connection is free again. */
  async discard(): Promise<void> {
    this.isDiscarding = true;
    this.batches.length = 0;
    this.resume();
    while (!this.hasEnded) await this.change.promise;
  }

  /** pg calls it once a row; what it hands over is valid during the call only. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    if (this.isDiscarding) return;
    if (this.filled + chunk.length > this.batch.length) {
      this.hand();
      if (chunk.length > this.batch.length) this.batch = Buffer.allocUnsafeSlow(chunk.length);
    }
    this.batch.set(chunk, this.filled);
    this.filled += chunk.length;
  }

  /** Not a COPY ... TO STDOUT: PostgreSQL is told that nothing will come. */
  handleCopyInResponse(connection: Connection & { sendCopyFail: (message: string) => void }): void {
    this.failure = new TypeError('expected COPY ... TO STDOUT');
    connection.sendCopyFail('expected COPY ... TO STDOUT');
  }

  handleRowDescription(): void {
    this.failure = new TypeError('expected COPY ... TO STDOUT');
  }

  handleDataRow(): void {}

  handleEmptyQuery(): void {}

  handleCommandComplete({ text }: { text?: string }): void {
    this.rowCount += Number(/^COPY (\d+)/.exec(text ?? '')?.[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.hand();
    this.end();
  }

  handleError(error: Error): void {
    this.failure ??= error;
    this.end();
  }

  /** pg puts its own in this place, which ends the query's time limit. */
  callback(): void {}

  private hand(): void {
    if (this.filled === 0) return;
    if (!this.isDiscarding) this.batches.push(this.batch.subarray(0, this.filled));
    this.batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.filled = 0;
    if (this.batches.length >= WAITING_BATCHES && !this.isPaused) {
      this.isPaused = true;
      this.socket?.pause();
    }
    this.tell();
  }

  private resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.socket?.resume();
  }

  private end(): void {
    this.hasEnded = true;
    this.resume();
    this.callback();
    this.tell();
  }

  private tell(): void {
    const { resolve } = this.change;
    this.change = Promise.withResolvers();
    resolve();
  }
}
