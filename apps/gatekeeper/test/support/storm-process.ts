import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** One compiled program of scripts/log-storm. It ends with this process. */
export class StormProcess {
  readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;
  private errors = '';

  constructor(
    program: string,
    args: readonly string[],
    environment: Record<string, string>,
    onLine: (line: string) => void,
  ) {
    const { PATH, HOME, TMPDIR } = process.env;
    const file = join(process.cwd(), 'dist/scripts/log-storm', `${program}.js`);
    this.child = spawn(process.execPath, ['--enable-source-maps', file, ...args], {
      env: { PATH, HOME, TMPDIR, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const lines = createInterface({ input: this.child.stdout! }).on('line', onLine);
    this.child.stderr!.on('data', (data: Buffer) => (this.errors = (this.errors + data.toString()).slice(-4000)));
    this.child.stdin!.on('error', () => undefined);
    this.closed = Promise.all([once(this.child, 'close'), once(lines, 'close')]);
  }

  /** SIGKILL; resolves when it is gone and all that it said has arrived. */
  async kill(): Promise<void> {
    this.child.kill('SIGCONT');
    this.child.kill('SIGKILL');
    await this.closed;
  }

  /** Lets it finish what it is at. @throws Error with what it said, when it ends in another way or takes more than half a minute */
  async end(): Promise<void> {
    this.child.stdin!.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 30_000);
    await this.closed;
    clearTimeout(timer);
    const { exitCode, signalCode } = this.child;
    if (exitCode !== 0) throw new Error(`a process of the storm ended with ${exitCode ?? signalCode}: ${this.errors}`);
  }
}
