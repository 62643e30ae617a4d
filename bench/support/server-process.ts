import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Where Linux has it. Elsewhere the scheduler places the processes as it likes. */
const TASKSET = '/usr/bin/taskset';
const READY_MS = 30_000;

export interface ServerProcess {
  url: string;
  /** The processor's time that it has used so far, in microseconds. */
  cpu: () => Promise<number>;
  stop: () => Promise<void>;
}

/**
 * Starts a compiled program that says `{type: 'ready', url}` over IPC, on the first processor alone where that can be had.
 *
 * @param program below dist/
 * @param preload likewise: loaded before it
 */
export async function startServer(
  program: string,
  env: Readonly<Record<string, string>>,
  preload?: string,
): Promise<ServerProcess> {
  const before = preload === undefined ? [] : ['--import', pathToFileURL(join('dist', preload)).href];
  const node = [process.execPath, '--enable-source-maps', ...before, join('dist', program)];
  const command = [...(existsSync(TASKSET) ? [TASKSET, '-c', '0'] : []), ...node];
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${program} was not ready within ${READY_MS} ms`)), READY_MS);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code} before it was ready`)));
    child.once('message', (message: { url: string }) => {
      clearTimeout(timer);
      resolve(message.url);
    });
  });
  const cpu = (): Promise<number> =>
    new Promise((resolve) => {
      child.once('message', resolve);
      child.send('cpu');
    });
  return { url, cpu, stop };
}

/** In a server: answers the question for its processor time. */
export function tellCpu(): void {
  process.on('message', (message) => {
    const { user, system } = process.cpuUsage();
    if (message === 'cpu') process.send!(user + system);
  });
}

/** Keeps this process, and what it starts without saying otherwise, off the first processor. */
export function leaveFirstProcessor(): Promise<void> {
  return moveToProcessor(1);
}

/** This process, and what it starts from now on, where that can be had. @param processor from 0 */
export async function moveToProcessor(processor: number): Promise<void> {
  if (!existsSync(TASKSET)) return;
  const child = spawn(TASKSET, ['-apc', String(processor), String(process.pid)], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
}
