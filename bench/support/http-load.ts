import { connect, type Socket } from 'node:net';
import { getPriority, setPriority } from 'node:os';

export interface LoadOptions {
  url: string;
  /** The whole request, head and body, as it goes over the wire. */
  request: Buffer;
  connections: number;
  seconds: number;
  /** Requests a second, spread evenly; without it, each connection asks again as soon as it is answered. */
  rate?: number;
  stop: AbortSignal;
}

export interface LoadReport {
  /** Answers a second. */
  rps: number;
  /** Milliseconds. At a fixed rate from the moment at which the request was due, so that waiting in line counts; timers may be early. */
  latencies: Float64Array;
}

const MAX_ANSWERS = 2_000_000;
/** Niceness. */
const FIRST = -15;
const HEAD_END = Buffer.from('\r\n\r\n');
const OK = Buffer.from('HTTP/1.1 200 ');

/** A POST with keep-alive. */
export function postRequest(path: string, headers: Readonly<Record<string, string>>, body: string): Buffer {
  const lines = Object.entries({
    host: 'localhost',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Sends one and the same request over and over. Reads no more of an answer than it takes to find its end, so that this side costs
 * little beside the server.
 *
 * @throws Error when an answer is not a 200, or a connection breaks
 */
export async function load(options: LoadOptions): Promise<LoadReport> {
  const priority = getPriority();
  firstInLine(FIRST);
  try {
    return await underLoad(options);
  } finally {
    firstInLine(priority);
  }
}

/**
 * Clients are on machines of their own. Here they share a processor with PostgreSQL, and would count the time that they wait for it as
 * the server's. Only root may come first; anybody else measures as well as the scheduler lets them.
 */
function firstInLine(priority: number): void {
  try {
    setPriority(priority);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}

async function underLoad(options: LoadOptions): Promise<LoadReport> {
  const latencies = new Float64Array(MAX_ANSWERS);
  let answers = 0;
  const began = performance.now();
  const end = began + options.seconds * 1000;
  const note = (latency: number): void => {
    if (answers < MAX_ANSWERS) latencies[answers++] = latency;
  };
  const schedule = options.rate === undefined ? undefined : new Schedule(options.rate, began, end);
  await Promise.all(
    Array.from({ length: options.connections }, () => new Connection(options, end, schedule, note).run()),
  );
  const seconds = (performance.now() - began) / 1000;
  return { rps: answers / seconds, latencies: latencies.subarray(0, answers) };
}

/** When each request is due, whichever connection takes it. */
class Schedule {
  private next = 0;

  constructor(
    private readonly rate: number,
    private readonly began: number,
    private readonly end: number,
  ) {}

  /** @returns the moment of the next request, or undefined when it would be behind the end */
  take(): number | undefined {
    const due = this.began + (this.next++ / this.rate) * 1000;
    return due < this.end ? due : undefined;
  }
}

class Connection {
  private readonly socket: Socket;
  private pending: Buffer | undefined;
  private due = 0;
  private finish!: (error?: Error) => void;

  constructor(
    private readonly options: LoadOptions,
    private readonly end: number,
    private readonly schedule: Schedule | undefined,
    private readonly note: (latency: number) => void,
  ) {
    const { hostname, port } = new URL(options.url);
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true });
  }

  async run(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.finish = (error) => (error ? reject(error) : resolve());
        this.socket
          .on('error', this.finish)
          .on('close', () => this.finish(new Error('the server closed a connection')));
        this.socket.on('connect', () => this.ask()).on('data', (chunk: Buffer) => this.read(chunk));
      });
    } finally {
      this.socket.destroy();
    }
  }

  private ask(): void {
    const now = performance.now();
    if (now >= this.end || this.options.stop.aborted) return this.finish();
    const due = this.schedule ? this.schedule.take() : now;
    if (due === undefined) return this.finish();
    this.due = due;
    if (due <= now) this.send();
    else setTimeout(() => this.send(), due - now);
  }

  private send(): void {
    this.due = Math.min(this.due, performance.now());
    this.socket.write(this.options.request);
  }

  private read(chunk: Buffer): void {
    const data = this.pending ? Buffer.concat([this.pending, chunk]) : chunk;
    const head = data.indexOf(HEAD_END);
    const length = head < 0 ? undefined : contentLength(data, head);
    if (length === undefined || data.length < head + HEAD_END.length + length) {
      this.pending = data;
      return;
    }
    this.pending = undefined;
    if (data.compare(OK, 0, OK.length, 0, OK.length) !== 0)
      return this.finish(new Error(`not a 200: ${data.subarray(0, 600).toString()}`));
    this.note(performance.now() - this.due);
    this.ask();
  }
}

/** @throws Error when the answer does not say how long it is */
function contentLength(data: Buffer, head: number): number {
  const found = /content-length: (\d+)/i.exec(data.toString('latin1', 0, head))?.[1];
  if (found === undefined) throw new Error('an answer without Content-Length');
  return Number(found);
}
