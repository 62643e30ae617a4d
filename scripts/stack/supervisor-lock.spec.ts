import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ensureHome, type Home, locateHome } from './home.js';
import { SupervisorLock } from './supervisor-lock.js';

const ENDS_WHEN_TOLD = `process.on('SIGTERM', () => process.exit())`;

describe('SupervisorLock', () => {
  let root: string;
  let home: Home;
  let said: string[];
  const processes: ChildProcess[] = [];
  const wait = { say: (text: string): void => void said.push(text), isCancelled: () => false };
  /** Tells a process to end when the lock has asked several times whether to go on waiting for it. */
  const waitAndEnd = (child: ChildProcess): typeof wait => {
    let asked = 0;
    const isCancelled = (): boolean => {
      if (++asked === 3) child.kill();
      return false;
    };
    return { ...wait, isCancelled };
  };
  const exitCode = async (child: ChildProcess): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  };

  /** A process whose command line names this path, as a supervisor's or a service's does. */
  const run = async (path: string, program: string): Promise<ChildProcess> => {
    const script = join(root, path);
    await mkdir(join(script, '..'), { recursive: true });
    await writeFile(script, `${program}; console.log('up'); setInterval(() => {}, 1000);`);
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'ignore'] });
    processes.push(child);
    await once(child.stdout, 'data');
    return child;
  };

  const write = (holder: object): Promise<void> =>
    writeFile(
      join(home.run, 'supervisor.json'),
      JSON.stringify({ pid: 0, launcher_pid: process.pid, started_at: '', stopping: false, children: {}, ...holder }),
    );

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'gravitas-lock-'));
    home = await locateHome(root, {});
    await ensureHome(home);
    said = [];
  });

  afterEach(async () => {
    for (const child of processes.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(root, { recursive: true, force: true });
  });

  it('is held until released, and leaves nothing behind', async () => {
    const lock = await SupervisorLock.take(home, wait);
    await lock.setChild('router', 123);
    expect(JSON.parse(await readFile(join(home.run, 'supervisor.json'), 'utf8'))).toMatchObject({
      pid: process.pid,
      children: { router: 123 },
    });
    await lock.release();
    expect(await readdir(home.run)).toEqual([]);
  });

  it('refuses while another run is well, naming its pid', async () => {
    const other = await run('start.js', '');
    await write({ pid: other.pid });
    await expect(SupervisorLock.take(home, wait)).rejects.toThrow(`already runs here (pid ${other.pid})`);
  });

  it('waits for a run that is stopping', async () => {
    const other = await run('start.js', ENDS_WHEN_TOLD);
    await write({ pid: other.pid, stopping: true });
    const lock = await SupervisorLock.take(home, waitAndEnd(other));
    expect(said).toEqual([`Waiting for an earlier run (pid ${other.pid}) to end ...`]);
    expect(await exitCode(other)).toBe(0);
    await lock.release();
  });

  it('waits for a run whose launcher is gone', async () => {
    const launcher = await run('launcher.js', '');
    launcher.kill('SIGKILL');
    await once(launcher, 'exit');
    const other = await run('start.js', ENDS_WHEN_TOLD);
    await write({ pid: other.pid, launcher_pid: launcher.pid });
    const lock = await SupervisorLock.take(home, waitAndEnd(other));
    expect(await exitCode(other)).toBe(0);
    await lock.release();
  });

  it('waits for the services of a run that was killed', async () => {
    const orphan = await run('apps/router/src/main.js', ENDS_WHEN_TOLD);
    await write({ pid: 2 ** 22 + 1, children: { router: orphan.pid } });
    const lock = await SupervisorLock.take(home, waitAndEnd(orphan));
    expect(said).toEqual([expect.stringContaining(`router (pid ${orphan.pid})`)]);
    expect(await exitCode(orphan)).toBe(0);
    await lock.release();
  });

  it.each([
    ['a run that was killed', JSON.stringify({ pid: 2 ** 22 + 1, children: {} })],
    ['a pid that is another program by now', JSON.stringify({ pid: process.pid, children: {} })],
    ['a file that is cut short', '{"pid":'],
    ['an empty file', ''],
  ])('takes over from %s', async (_what, text) => {
    await writeFile(join(home.run, 'supervisor.json'), text);
    const lock = await SupervisorLock.take(home, wait);
    expect(JSON.parse(await readFile(join(home.run, 'supervisor.json'), 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
  });
});
