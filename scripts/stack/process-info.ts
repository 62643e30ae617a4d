import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there but somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a process; empty when there is none, or it cannot be told. A zombie has none either. */
export async function commandLine(pid: number): Promise<string> {
  const fromProc = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  if (fromProc !== undefined) return fromProc.replaceAll('\0', ' ').trim();
  return (await output('ps', ['-o', 'command=', '-p', String(pid)])).trim();
}

/** The pid of the process that listens on a TCP port, undefined when it cannot be told (it is another user's). */
export async function listenerOn(port: number): Promise<number | undefined> {
  if (process.platform === 'linux') return ownerOfInodes(await listeningInodes(port));
  const pid = Number((await output('lsof', ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN'])).split('\n')[0]);
  return pid > 0 ? pid : undefined;
}

/** Socket inodes from /proc/net/tcp{,6}: fields are sl, local address:port (hex), remote, state (0A listens), ..., inode. */
async function listeningInodes(port: number): Promise<Set<string>> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n').slice(1)).map((line) => line.trim().split(/\s+/));
  return new Set(
    rows.filter((row) => row[1]?.endsWith(`:${hex}`) && row[3] === '0A').map((row) => `socket:[${row[9]}]`),
  );
}

async function ownerOfInodes(sockets: ReadonlySet<string>): Promise<number | undefined> {
  if (sockets.size === 0) return undefined;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const descriptors = await readdir(`/proc/${entry}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${entry}/fd/${descriptor}`).catch(() => '');
      if (sockets.has(target)) return Number(entry);
    }
  }
  return undefined;
}

function output(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: 5_000 }, (_error, stdout) => resolve(stdout));
  });
}
