import { setImmediate as turn } from 'node:timers/promises';
import { type Connection, type Submittable } from 'pg';

const COPY_DATA = 'd'.charCodeAt(0);
const COPY_DONE = 'c'.charCodeAt(0);
const COPY_FAIL = 'f'.charCodeAt(0);
const NOTHING = new Uint8Array(0);

export type CopyChunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A `COPY ... FROM STDIN`, and what to send for it: each chunk is used before the next one is asked for. */
export interface CopyStatement {
  sql: string;
  chunks: CopyChunks;
}

/**
 * One or several `COPY ... FROM STDIN`, to be given to pg's `client.query`. Several travel as one query, which PostgreSQL makes one
 * transaction: all of their rows are there, or none. It sends a chunk once the socket has taken the one before, and lets
 * others have the event loop between two; PostgreSQL works on the first while the next ones are made.
 *
 * When PostgreSQL or the connection fails, nothing more is sent. When making a chunk fails, PostgreSQL is told to forget the rest.
 *
 * Source: PostgreSQL documentation, Frontend/Backend Protocol, "COPY Operations". The methods are those that pg calls on a query.
 */
export class CopyIn implements Submittable {
  /** Resolves with each statement's number of rows once PostgreSQL has them all and the connection is free again. */
  readonly done: Promise<number[]>;
  private readonly outcome = Promise.withResolvers<number[]>();
  private socket: Connection['stream'] | undefined;
  private readonly rowCounts: number[] = [];
  private next = 0;
  private hasEnded = false;
  /** Why we gave up, which says more than PostgreSQL's answer to it. */
  private failure: unknown;

  constructor(private statements: readonly CopyStatement[]) {
    this.done = this.outcome.promise;
  }

  submit(connection: Connection): void {
    this.socket = connection.stream;
    connection.query(this.statements.map(({ sql }) => sql).join('; '));
  }

  handleCopyInResponse(): void {
    const statement = this.statements[this.next++];
    // Without one, it comes after the time limit: the rows are not there any more.
    const sent = statement ? this.send(statement.chunks) : this.giveUp(this.failure);
    sent.catch((error: unknown) => this.giveUp(error));
  }

  handleCommandComplete({ text }: { text?: string }): void {
    this.rowCounts.push(Number(/^COPY (\d+)/.exec(text ?? '')?.[1] ?? 0));
  }

  handleReadyForQuery(): void {
    this.end();
    this.outcome.resolve(this.rowCounts);
  }

  handleError(error: Error): void {
    this.end();
    this.outcome.reject((this.failure as Error | undefined) ?? error);
  }

  /** pg puts its own in this place, which ends the query's time limit. */
  callback(): void {}

  private end(): void {
    this.hasEnded = true;
    // Closures of pg hold the query, and by way of its old generation the collector would keep all rows that were ever sent.
    this.statements = [];
    this.callback();
  }

  private async send(chunks: CopyChunks): Promise<void> {
    for await (const chunk of chunks) {
      await this.write(COPY_DATA, chunk);
      await turn();
      if (this.hasEnded) return;
    }
    await this.write(COPY_DONE, NOTHING);
  }

  /** PostgreSQL answers with an error, and is ready for the next query. */
  private giveUp(reason: unknown): Promise<void> {
    this.failure = reason;
    return this.write(COPY_FAIL, Buffer.from('the client gave up\0'));
  }

  /** Resolves when the socket has taken it, or has broken, which pg tells us. */
  private write(message: number, body: Uint8Array): Promise<void> {
    const head = Buffer.allocUnsafe(5);
    head[0] = message;
    head.writeUInt32BE(body.length + 4, 1);
    const socket = this.socket!;
    return new Promise((resolve) => {
      socket.cork();
      socket.write(head);
      socket.write(body, () => resolve());
      socket.uncork();
    });
  }
}
