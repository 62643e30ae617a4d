import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { LogFile } from './log-file.js';
import { explanation, type LogLine, parseLogLine } from './log-line.js';

/**
 * One service as a child process. It says `{type: 'ready', url}` over IPC once it listens, and ends by itself on SIGTERM
 * or when the IPC channel closes (that is, when we are killed). One that ends unasked is started again, after 1 s at
 * first, twice as long each time up to 30 s, and from 1 s again once it was up for a minute.
 *
 * starting -> ready -> waiting (ended unasked) -> starting ...; stopping -> stopped from anywhere, for good.
 */
export type ServiceState = 'starting' | 'ready' | 'waiting' | 'stopping' | 'stopped';

export interface ServiceOptions {
  name: string;
  /** Absolute path of the compiled entry. */
  script: string;
  cwd: string;
  env: Record<string, string>;
  logPath: string;
  /** Each log line, for the terminal. */
  onLine: (line: LogLine) => void;
  /** What happened, in words: only for what nobody asked for. */
  onNews: (text: string) => void;
  /** Called with each new pid, and undefined when it is gone. */
  onPid?: (pid: number | undefined) => void;
  /** For tests. */
  backoff?: Partial<Backoff>;
}

interface Backoff {
  firstMs: number;
  maxMs: number;
  healthyMs: number;
}

export type BootResult = { ready: true } | { ready: false; reason: string };

const BACKOFF: Backoff = { firstMs: 1_000, maxMs: 30_000, healthyMs: 60_000 };
const KEPT_LINES = 40;
const TAIL_MS = 100;

export class ServiceProcess {
  private current: ServiceState = 'stopped';
  private child: ChildProcess | undefined;
  private exited: Promise<void> = Promise.resolve();
  private log: LogFile | undefined;
  private recent: LogLine[] = [];
  private failures = 0;
  private retired = false;
  private readySince = 0;
  private retry: NodeJS.Timeout | undefined;
  private tail: NodeJS.Timeout | undefined;
  private reportBoot: (result: BootResult) => void = () => undefined;
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: ServiceOptions) {}

  get name(): string {
    return this.options.name;
  }

  get state(): ServiceState {
    return this.current;
  }

  /** Starts it and resolves with how the first attempt went: ready, ended, or neither within the time given. */
  async start(timeoutMs: number): Promise<BootResult> {
    this.log = await LogFile.open(this.options.logPath, (line) => this.take(line));
    this.tail = setInterval(() => this.readLog(), TAIL_MS);
    const first = new Promise<BootResult>((resolve) => {
      this.reportBoot = resolve;
    });
    this.launch();
    const cancel = new AbortController();
    const late: BootResult = { ready: false, reason: `not ready after ${timeoutMs / 1000} s` };
    const result = await Promise.race([first, delay(timeoutMs, late, { signal: cancel.signal }).catch(() => late)]);
    cancel.abort();
    return result;
  }

  /** From now on it is not started again when it ends. */
  retire(): void {
    this.retired = true;
    clearTimeout(this.retry);
  }

  /**
   * SIGTERM, and SIGKILL when it has not ended in time; says so then. `graceMs` is asked again and again, so that it may
   * be shortened on the way. Twice is the same as once.
   */
  stop(graceMs: () => number): Promise<void> {
    this.stopped ??= this.end(graceMs);
    return this.stopped;
  }

  private async end(graceMs: () => number): Promise<void> {
    this.retire();
    this.current = 'stopping';
    this.reportBoot({ ready: false, reason: 'stopped' });
    const { child } = this;
    if (child) {
      child.kill('SIGTERM');
      const started = Date.now();
      while (this.child && Date.now() - started < graceMs()) await Promise.race([this.exited, delay(50)]);
      if (this.child) {
        this.options.onNews(`did not end within ${(Date.now() - started) / 1000} s of SIGTERM: killed`);
        child.kill('SIGKILL');
      }
      await this.exited;
    }
    clearInterval(this.tail);
    await this.log?.close();
    this.current = 'stopped';
  }

  private launch(): void {
    const { script, cwd, env, onPid } = this.options;
    this.current = 'starting';
    this.recent = [];
    const fd = this.log?.fd ?? 'ignore';
    const child = spawn(process.execPath, ['--enable-source-maps', script], {
      cwd,
      env,
      stdio: ['ignore', fd, fd, 'ipc'],
      // A group of its own: a Ctrl-C must not end the services all at once, before the order we stop them in.
      detached: true,
    });
    this.child = child;
    onPid?.(child.pid);
    child.on('message', (message) => this.hear(message));
    this.exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        if (this.child !== child) return;
        this.child = undefined;
        onPid?.(undefined);
        this.afterExit(how).then(resolve, resolve);
      };
      child.once('error', (error) => ended(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => ended(signal ? signal : `exit ${code}`));
    });
  }

  private hear(message: unknown): void {
    const isReady = typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
    if (!isReady || this.current !== 'starting') return;
    this.current = 'ready';
    this.readySince = Date.now();
    if (this.failures > 0) this.options.onNews('is back');
    this.reportBoot({ ready: true });
  }

  private async afterExit(how: string): Promise<void> {
    await this.log?.poll();
    if (this.retired) return;
    const { firstMs, maxMs, healthyMs } = { ...BACKOFF, ...this.options.backoff };
    const wasHealthy = this.current === 'ready' && Date.now() - this.readySince >= healthyMs;
    this.failures = wasHealthy ? 1 : this.failures + 1;
    const waitMs = Math.min(firstMs * 2 ** (this.failures - 1), maxMs);
    const why = explanation(this.recent);
    const reason = why === undefined ? how : `${how}: ${why}`;
    this.current = 'waiting';
    this.reportBoot({ ready: false, reason });
    this.options.onNews(`ended (${reason}); it is started again in ${waitMs / 1000} s`);
    this.retry = setTimeout(() => this.launch(), waitMs);
  }

  private readLog(): void {
    this.log?.poll().catch((error: Error) => this.options.onNews(`its log cannot be read: ${error.message}`));
  }

  private take(line: string): void {
    const parsed = parseLogLine(line);
    this.recent.push(parsed);
    if (this.recent.length > KEPT_LINES) this.recent.shift();
    this.options.onLine(parsed);
  }
}
