import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SpoolHeldError, SpoolLock } from './spool-lock.js';

/** As it is compiled: another process can take it too. */
const COMPILED = pathToFileURL(join(process.cwd(), 'dist/libs/audit/src/core/spool/spool-lock.js')).href;
const HOLD = `
  const [, file, directory, service] = process.argv;
  const { SpoolLock } = await import(file);
  globalThis.lock = await SpoolLock.take(directory, service).catch((error) => console.log(error.code, error.message));
  if (globalThis.lock) console.log('held');
  setInterval(() => undefined, 1000);`;

describe('SpoolLock', () => {
  let directory: string;
  const processes: ChildProcess[] = [];
  const locks: SpoolLock[] = [];
  beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'gravitas-spool-lock-'))));
  afterEach(async () => {
    for (const lock of locks.splice(0)) lock.release();
    for (const child of processes.splice(0)) await kill(child);
    await rm(directory, { recursive: true });
  });

  const take = async (service: string, where = directory): Promise<SpoolLock> => {
    const lock = await SpoolLock.take(where, service);
    locks.push(lock);
    return lock;
  };

  /** @returns what the process said of its attempt */
  const takeElsewhere = async (service: string): Promise<{ said: string; child: ChildProcess }> => {
    const args = ['--no-warnings', '--input-type=module', '-e', HOLD, COMPILED, directory, service];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
    processes.push(child);
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    return { said: said.toString().trim(), child };
  };

  const kill = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };

  it('is refused to a second process, which is told who holds it', async () => {
    const { said, child } = await takeElsewhere('router');
    expect(said).toBe('held');
    const error = await take('lobby').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SpoolHeldError);
    expect(error).toMatchObject({
      code: 'spool_held',
      message: expect.stringMatching(
        new RegExp(`^The audit spool ${directory} is held by router, process ${child.pid} on ${hostname()}, since 2`),
      ),
    });
    expect((error as Error).message).toContain('AUDIT_SPOOL_DIR');
  });

  it('is refused to another process while this one holds it', async () => {
    await take('gatekeeper');
    const { said } = await takeElsewhere('router');
    expect(said).toContain(`spool_held The audit spool ${directory} is held by gatekeeper, process ${process.pid} on `);
  });

  it('is free at once when its holder is killed', async () => {
    const { child } = await takeElsewhere('router');
    await kill(child);
    const { said } = await takeElsewhere('lobby');
    expect(said).toBe('held');
    await expect(take('gatekeeper')).rejects.toThrow('held by lobby');
  });

  it('is refused to this process too while it holds it, and stays held afterwards', async () => {
    await take('gatekeeper');
    await expect(take('router')).rejects.toThrow(`held by gatekeeper, process ${process.pid} `);
    await expect(take('router')).rejects.toThrow(SpoolHeldError);
    expect((await takeElsewhere('lobby')).said).toContain('spool_held');
  });

  it('is free once it is released', async () => {
    const lock = await take('gatekeeper');
    lock.release();
    locks.splice(0);
    await take('router');
    await expect(take('lobby')).rejects.toThrow('held by router');
  });

  it('holds one directory and no other', async () => {
    const other = await mkdtemp(join(tmpdir(), 'gravitas-spool-lock-'));
    await take('gatekeeper');
    await take('router', other);
    locks.splice(0, 1)[0]!.release();
    await expect(take('lobby', other)).rejects.toThrow('held by router');
    await take('lobby');
    await rm(other, { recursive: true });
  });

  it('is held all the same when nobody can read who holds it', async () => {
    await take('gatekeeper');
    for (const content of ['{"service"', '']) {
      await writeFile(join(directory, 'holder.json'), content);
      await expect(take('router')).rejects.toThrow('held by a process that has not said its name');
    }
    await rm(join(directory, 'holder.json'));
    await expect(take('router')).rejects.toThrow('held by a process that has not said its name');
  });

  it('keeps its files for their owner, and leaves nothing in them that a crash could tear', async () => {
    await take('gatekeeper');
    for (const name of ['lock', 'holder.json']) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'lock'))).size).toBe(0);
    expect(JSON.parse(await readFile(join(directory, 'holder.json'), 'utf8'))).toMatchObject({
      service: 'gatekeeper',
      pid: process.pid,
    });
  });
});
