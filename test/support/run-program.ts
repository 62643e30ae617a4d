import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface Ended {
  code: number | null;
  out: string;
  errors: string;
}

/** A compiled script of ours, as npm runs it once everything is installed and built. */
export class Program {
  out = '';
  errors = '';

  private constructor(readonly child: ChildProcess) {
    child.stdout?.on('data', (data: Buffer) => (this.out += data.toString()));
    child.stderr?.on('data', (data: Buffer) => (this.errors += data.toString()));
  }

  /** @param environment further variables; of our own it sees only how to run */
  static start(script: string, args: readonly string[], environment: Record<string, string> = {}): Program {
    const { PATH, HOME, TMPDIR } = process.env;
    const file = join(process.cwd(), 'dist/scripts', `${script}.js`);
    const child = spawn(process.execPath, ['--enable-source-maps', file, ...args], {
      env: { PATH, HOME, TMPDIR, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Program(child);
  }

  /** @throws AbortError when it takes longer than `timeoutMs` */
  async ended(timeoutMs: number): Promise<Ended> {
    await once(this.child, 'close', { signal: AbortSignal.timeout(timeoutMs) });
    return { code: this.child.exitCode, out: this.out, errors: this.errors };
  }
}

/** Runs it to its end, at most a minute. */
export function runProgram(
  script: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ended> {
  return Program.start(script, args, environment).ended(60_000);
}
