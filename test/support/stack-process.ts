import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findFreePort } from '#embedded-postgres';
import { waitFor } from '#testing';
import { makeReachableTempDir } from '../../scripts/stack/temp-dir.js';

const ROOT = process.cwd();
const READY_MS = 60_000;
const STOP_MS = 60_000;
const APPS = ['GATEKEEPER', 'GUARDIAN', 'ROUTER', 'TELEMETRY', 'LOBBY'] as const;

/** `npm start` as it is after installing and building: the supervisor, its services and its PostgreSQL, in a home of their own. */
export class StackProcess {
  private child: ChildProcess | undefined;
  output = '';

  private constructor(
    readonly home: string,
    readonly ports: Record<(typeof APPS)[number], number>,
  ) {}

  static async create(): Promise<StackProcess> {
    const home = await makeReachableTempDir();
    const ports = {} as StackProcess['ports'];
    for (const app of APPS) ports[app] = await findFreePort();
    return new StackProcess(home, ports);
  }

  url(app: (typeof APPS)[number]): string {
    return `http://127.0.0.1:${this.ports[app]}`;
  }

  get environment(): NodeJS.ProcessEnv {
    const { PATH, HOME } = process.env;
    const ports = Object.fromEntries(APPS.map((app) => [`${app}_PORT`, String(this.ports[app])]));
    return { PATH, HOME, NO_COLOR: '1', GRAVITAS_HOME: this.home, ...ports };
  }

  /** Starts it and waits for the line that says so. */
  async start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
    this.output = '';
    this.child = spawn(process.execPath, ['--enable-source-maps', join(ROOT, 'dist/scripts/start.js')], {
      cwd: ROOT,
      env: { ...this.environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (data: Buffer) => (this.output += data.toString()));
    const { child } = this;
    await waitFor(
      'Gravitas to be ready',
      () => {
        if (child.exitCode !== null) throw new Error(`the stack ended with ${child.exitCode}:\n${this.output}`);
        return this.output.includes('Gravitas is ready');
      },
      READY_MS,
    );
  }

  /** @returns the exit code of the supervisor */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(STOP_MS) });
    child.kill(signal);
    await exited;
    return child.exitCode;
  }

  /** One of the stack's own small commands, such as `token` or `db-url`. @returns what it prints */
  async run(script: string, ...args: string[]): Promise<string> {
    const child = spawn(process.execPath, [join(ROOT, `dist/scripts/${script}.js`), ...args], {
      cwd: ROOT,
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    await once(child, 'close', { signal: AbortSignal.timeout(STOP_MS) });
    if (child.exitCode !== 0) throw new Error(`${script} ended with ${child.exitCode}: ${errors}`);
    return out.trim();
  }

  token(ghost: string): Promise<string> {
    return this.run('token', '--ghost', ghost);
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.home, { recursive: true, force: true });
  }
}
