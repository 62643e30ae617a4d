import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createFile, readIfPresent, replaceFile } from './atomic-file.js';
import { type Home } from './home.js';
import { commandLine, isAlive } from './process-info.js';

/** `run/supervisor.json`: who runs the stack of this home, and the services it started. */
interface Holder {
  pid: number;
  launcher_pid: number;
  started_at: string;
  stopping: boolean;
  children: Record<string, number>;
}

interface Wait {
  say: (text: string) => void;
  /** True once nobody wants the lock any more. */
  isCancelled: () => boolean;
}

/** How long an earlier run that has lost its launcher, or is stopping, may take to be gone. */
const LEAVE_MS = 40_000;
/** How long a run that has just lost its launcher may take to notice. */
const NOTICE_MS = 1_500;
/** How long services whose supervisor was killed may take to flush and end. */
const ORPHAN_MS = 20_000;
const KILL_MS = 5_000;

/** The right to run the stack of one home; at most one process has it. */
export class SupervisorLock {
  private writing: Promise<void> = Promise.resolve();
  private released = false;

  private constructor(
    private readonly file: string,
    private readonly holder: Holder,
  ) {}

  /**
   * Waits for an earlier run that is on its way out, and for the services of one that was killed.
   * @throws Error "Gravitas already runs here (pid N) ..." when one runs and has no reason to end.
   */
  static async take(home: Home, wait: Wait): Promise<SupervisorLock> {
    const file = join(home.run, 'supervisor.json');
    const started = { launcher_pid: process.ppid, started_at: new Date().toISOString() };
    const holder: Holder = { pid: process.pid, ...started, stopping: false, children: {} };
    while (!(await createFile(file, JSON.stringify(holder)))) {
      if (wait.isCancelled()) throw new Error('Stopped while an earlier run was still there.');
      const earlier = await readHolder(file);
      if (earlier && (await isSupervisor(earlier))) await awaitLeave(file, earlier, wait);
      else await clear(file, earlier, wait);
    }
    return new SupervisorLock(file, holder);
  }

  /** Remembers a service's process, so that the next run can wait for it should we be killed. */
  setChild(name: string, pid: number | undefined): Promise<void> {
    if (pid === undefined) delete this.holder.children[name];
    else this.holder.children[name] = pid;
    return this.write();
  }

  setStopping(): Promise<void> {
    this.holder.stopping = true;
    return this.write();
  }

  async release(): Promise<void> {
    this.released = true;
    await this.writing;
    await rm(this.file, { force: true });
  }

  private write(): Promise<void> {
    this.writing = this.writing.then(() =>
      this.released ? undefined : replaceFile(this.file, JSON.stringify(this.holder)),
    );
    return this.writing;
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse((await readIfPresent(file)) ?? '') as Holder;
  } catch {
    return undefined;
  }
}

/** The pid may belong to another program by now. */
async function isSupervisor({ pid }: Holder): Promise<boolean> {
  return isAlive(pid) && (await commandLine(pid)).includes('start.js');
}

async function awaitLeave(file: string, earlier: Holder, { say, isCancelled }: Wait): Promise<void> {
  const noticed = await until(NOTICE_MS, async () => {
    const now = await readHolder(file);
    return now?.pid !== earlier.pid || now.stopping || !isAlive(now.launcher_pid) || !(await isSupervisor(now));
  });
  if (!noticed) throw new Error(`Gravitas already runs here (pid ${earlier.pid}). Stop it with: kill ${earlier.pid}`);
  if (!(await isSupervisor(earlier))) return;
  say(`Waiting for an earlier run (pid ${earlier.pid}) to end ...`);
  if (await until(LEAVE_MS, async () => isCancelled() || !(await isSupervisor(earlier)))) return;
  throw new Error(`An earlier run (pid ${earlier.pid}) does not end. End it with: kill -9 ${earlier.pid}`);
}

/** What a killed run left: its services, which end by themselves once they have flushed, and its file. */
async function clear(file: string, earlier: Holder | undefined, wait: Wait): Promise<void> {
  await endOrphans(Object.entries(earlier?.children ?? {}), wait);
  if (wait.isCancelled()) return;
  // Two new runs may get here at once: only the file that was looked at may go.
  const aside = `${file}.${process.pid}-${randomUUID()}`;
  await rename(file, aside).catch(() => undefined);
  const removed = await readHolder(aside);
  if (removed && removed.pid !== earlier?.pid) await createFile(file, JSON.stringify(removed));
  await rm(aside, { force: true });
}

async function endOrphans(children: readonly (readonly [string, number])[], { say, isCancelled }: Wait): Promise<void> {
  const left = async (): Promise<(readonly [string, number])[]> => {
    const alive = await Promise.all(children.map(async ([name, pid]) => isService(name, pid)));
    return children.filter((_child, index) => alive[index]);
  };
  const isGone = async (): Promise<boolean> => (await left()).length === 0;
  if (await isGone()) return;
  const names = (await left()).map(([name, pid]) => `${name} (pid ${pid})`).join(', ');
  say(`Waiting for services of a run that was killed: ${names} ...`);
  if (await until(ORPHAN_MS, async () => isCancelled() || (await isGone()))) return;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const [name, pid] of await left()) {
      say(`${name} (pid ${pid}) is still there: ${signal}`);
      kill(pid, signal);
    }
    if (await until(KILL_MS, isGone)) return;
  }
}

async function isService(name: string, pid: number): Promise<boolean> {
  return isAlive(pid) && (await commandLine(pid)).includes(`/apps/${name}/`);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone in the meantime.
  }
}

async function until(timeoutMs: number, condition: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await delay(100);
  }
  return true;
}
