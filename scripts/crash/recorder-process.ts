import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Readable } from 'node:stream';
import { ReportReader, type Acknowledged } from './report-lines.js';

const PROGRAM = fileURLToPath(new URL('recorder.js', import.meta.url));
const REPORT_TIMEOUT_MS = 30_000;
const MAX_OUTPUT = 8 * 1024;

export interface RecorderOptions {
  environment: Record<string, string>;
  seed: number;
  /** Reports receipts before they are durable. */
  early: boolean;
  /** It kills itself right after so many reports; 0: it does not. */
  reports: number;
}

/** A recorder ended without having been killed, or said nothing for half a minute. */
export class RecorderError extends Error {
  override readonly name = 'RecorderError';
}

/** One recorder, from its start to its SIGKILL. */
export class RecorderProcess {
  /** What it has reported so far, in that order. */
  readonly acknowledged: Acknowledged[] = [];
  /** Events of earlier runs that it found; undefined when it did not get that far. */
  left: number | undefined;
  private output = '';
  private readonly closed: Promise<void>;
  private readonly reader = new ReportReader();
  private readonly opening = Promise.withResolvers<void>();
  private readonly first = Promise.withResolvers<void>();

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => (this.output = (this.output + data.toString()).slice(-MAX_OUTPUT)));
    const reports = child.stdio[3] as Readable;
    reports.setEncoding('latin1').on('data', (piece: string) => this.take(piece));
    this.closed = once(child, 'close').then(() => this.failUnlessKilled());
    // Of these, at most one is being waited for.
    for (const promise of [this.closed, this.opening.promise, this.first.promise]) promise.catch(() => undefined);
  }

  static start({ environment, seed, early, reports }: RecorderOptions): RecorderProcess {
    const args = [String(seed), early ? 'early' : 'durable', String(reports)];
    const child = spawn(process.execPath, ['--enable-source-maps', PROGRAM, ...args], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    return new RecorderProcess(child);
  }

  /** It is about to open its spool. @throws RecorderError */
  isOpening(): Promise<void> {
    return this.inTime('that it opens its spool', this.opening.promise);
  }

  /** It has acknowledged something. @throws RecorderError */
  isRecording(): Promise<void> {
    return this.inTime('a receipt', this.first.promise);
  }

  /** It has killed itself. @throws RecorderError when it does not, or ends in another way */
  hasEnded(): Promise<void> {
    return this.inTime('so much that it could kill itself', this.closed);
  }

  /** SIGKILL. Resolves when it is gone, and everything that it had reported has arrived. @throws RecorderError when it had ended before */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }

  private take(piece: string): void {
    for (const report of this.reader.read(piece)) {
      if (report.kind === 'opening') this.opening.resolve();
      else if (report.kind === 'open') this.left = report.left;
      else {
        this.acknowledged.push(report);
        this.first.resolve();
      }
    }
  }

  private failUnlessKilled(): void {
    const { exitCode, signalCode } = this.child;
    const error = new RecorderError(`A recorder ended by itself (${exitCode ?? signalCode}). It said: ${this.output}`);
    this.opening.reject(error);
    this.first.reject(error);
    if (signalCode !== 'SIGKILL') throw error;
  }

  private async inTime(what: string, promise: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const seconds = REPORT_TIMEOUT_MS / 1000;
      const error = new RecorderError(`A recorder did not report ${what} within ${seconds} s. It said: ${this.output}`);
      timer = setTimeout(() => reject(error), REPORT_TIMEOUT_MS);
    });
    await Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }
}
