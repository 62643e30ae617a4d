import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const TIMEOUT_MS = 10 * 60_000;

/**
 * Runs `work` while nobody else does, across processes. The lock is a directory (making one is atomic) with the pid of its
 * holder; that of a process that was killed is taken over.
 */
export async function withLock(directory, work) {
  const deadline = Date.now() + TIMEOUT_MS;
  let told = false;
  while (!take(directory)) {
    if (Date.now() > deadline) throw new Error(`${directory} has been locked for 10 minutes; remove it and try again.`);
    if (!told) process.stderr.write('Waiting for another run that installs or builds ...\n');
    told = true;
    await delay(200);
  }
  const release = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function take(directory) {
  mkdirSync(dirname(directory), { recursive: true });
  try {
    mkdirSync(directory);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (isAbandoned(directory)) rmSync(directory, { recursive: true, force: true });
    return false;
  }
  writeFileSync(join(directory, 'pid'), String(process.pid));
  return true;
}

function isAbandoned(directory) {
  try {
    const pid = readFileSync(join(directory, 'pid'), 'utf8');
    if (pid === '') return isOld(directory);
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    // No pid in it: its holder is about to write one, or was killed before it could.
    return error.code === 'ENOENT' ? isOld(directory) : error.code === 'ESRCH';
  }
}

function isOld(directory) {
  try {
    return Date.now() - statSync(directory).mtimeMs > 5_000;
  } catch {
    return false;
  }
}
