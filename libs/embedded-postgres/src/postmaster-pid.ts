import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './run-command.js';

export interface Postmaster {
  pid: number;
  port: number;
  /** `starting`, `ready`, `stopping`, `standby`; what the server itself last wrote. */
  status: string;
}

/**
 * The server that runs on a data directory right now, from the `postmaster.pid` it keeps there, or undefined. The file
 * outlives a server that was killed and its pid may belong to somebody else by now, so the process is looked at too.
 * Format: https://www.postgresql.org/docs/18/storage-file-layout.html and src/include/utils/pidfile.h.
 */
export async function runningPostmaster(dataDir: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pidLine, , , portLine, , , , status = ''] = text.split('\n');
  const pid = Math.abs(Number(pidLine));
  if (!Number.isInteger(pid) || pid === 0) return undefined;
  if (!(await isPostmasterOf(pid, dataDir))) return undefined;
  return { pid, port: Number(portLine) || 0, status: status.trim() };
}

async function isPostmasterOf(pid: number, dataDir: string): Promise<boolean> {
  const command = await commandLine(pid);
  return command.includes('postgres') && command.includes(dataDir);
}

/** The command line of a process, arguments joined by a blank; empty when there is no such process. */
async function commandLine(pid: number): Promise<string> {
  const fromProc = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  if (fromProc !== undefined) return fromProc.replaceAll('\0', ' ');
  if (process.platform === 'linux') return '';
  const { code, output } = await runCommand('ps', ['-o', 'command=', '-p', String(pid)], { timeoutMs: 5_000 });
  return code === 0 ? output : '';
}
