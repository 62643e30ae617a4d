import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from './run-command.js';

const POLL_MS = 5;

/**
 * Ends a process and its children with SIGKILL, and resolves when all of them are gone. Each of a PostgreSQL server's children leads a
 * process group of its own, so no one signal reaches them; the parent is stopped first, so that it can neither make another
 * nor notice that one is missing.
 *
 * @returns false when they are still there after `timeoutMs`
 */
export async function killTree(pid: number, timeoutMs: number): Promise<boolean> {
  if (!send(pid, 'SIGSTOP')) return true;
  const family = [...(await childrenOf(pid)), pid];
  for (const member of family) send(member, 'SIGKILL');
  const deadline = Date.now() + timeoutMs;
  while (await anyRuns(family)) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** @returns false when there is no such process */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function childrenOf(parent: number): Promise<number[]> {
  return (await processes()).filter((entry) => entry.parent === parent).map((entry) => entry.pid);
}

/** A zombie that nobody has waited for yet runs no more. */
async function anyRuns(pids: readonly number[]): Promise<boolean> {
  return (await processes()).some(({ pid, state }) => pids.includes(pid) && state !== 'Z');
}

interface Entry {
  pid: number;
  parent: number;
  state: string;
}

/** All processes there are, from /proc where there is one. */
async function processes(): Promise<Entry[]> {
  if (process.platform !== 'linux') return fromPs();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entries = await Promise.all(pids.map(fromProc));
  return entries.filter((entry) => entry !== undefined);
}

/** Format: proc(5); the name is in brackets and may itself contain any character. */
async function fromProc(pid: string): Promise<Entry | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return state && parent ? { pid: Number(pid), parent: Number(parent), state } : undefined;
}

async function fromPs(): Promise<Entry[]> {
  const { output } = await runCommand('ps', ['-A', '-o', 'pid=,ppid=,stat='], { timeoutMs: 5_000 });
  return output.split('\n').map((line) => {
    const [pid, parent, state = ''] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), state: state.slice(0, 1) };
  });
}
