import { spawn } from 'node:child_process';
import { type Identity } from './identity.js';

export interface CommandResult {
  /** Exit code; null when the command was killed because its time was up. */
  code: number | null;
  /** stdout and stderr together, at most 64 KiB of it. */
  output: string;
}

const MAX_OUTPUT = 64 * 1024;

/**
 * Runs a command to its end in a session of its own: a Ctrl-C or a signal to our process group must not reach a server
 * that is being started or stopped. Never rejects for an exit code; rejects when the command cannot be spawned at all.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: { identity?: Identity | undefined; timeoutMs: number },
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      // Our own working directory may be one that the other user cannot enter.
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', LANG: 'C', TZ: 'UTC' },
      ...(options.identity && { uid: options.identity.uid, gid: options.identity.gid }),
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      if (output.length < MAX_OUTPUT) output += chunk.toString('utf8');
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output: output.trim() });
    });
  });
}
