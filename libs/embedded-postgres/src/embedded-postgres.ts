import { chown, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Binaries, findBinaries } from './binaries.js';
import { EmbeddedPostgresError } from './errors.js';
import { findFreePort } from './free-port.js';
import { canReach, type Identity, postgresIdentity } from './identity.js';
import { ensureCluster } from './initdb.js';
import { killTree } from './kill-tree.js';
import { type Postmaster, runningPostmaster } from './postmaster-pid.js';
import { runCommand } from './run-command.js';

export interface EmbeddedPostgresOptions {
  /** Where the database lives; made when absent. Its parent must be a directory the server's user can enter. */
  dataDir: string;
  /** Of the superuser `postgres`. Set when the data directory is made; later it must be the same. */
  password: string;
  /** Taken when free, otherwise the next free one; without it the system picks. */
  port?: number | undefined;
  /** false turns off all that survives a power loss: for tests. Default true. */
  durable?: boolean;
  /** More server settings, by name. */
  settings?: Readonly<Record<string, string | number>>;
}

export interface StartedPostgres {
  /** Superuser's, to the maintenance database. */
  url: string;
  port: number;
  pid: number;
  /** True when a server of an earlier run was still there and was taken over. */
  adopted: boolean;
}

const START_TIMEOUT_S = 30;
const START_ATTEMPTS = 5;
const KILL_TIMEOUT_MS = 10_000;
const MAX_LOG_BYTES = 10 * 1024 * 1024;

const BASE_SETTINGS = {
  listen_addresses: '127.0.0.1',
  // No socket files: nothing to collide with, nothing left behind after a kill.
  unix_socket_directories: '',
  max_connections: 200,
  // For moving a service to a database of its own: each move needs up to four slots and two workers.
  wal_level: 'logical',
  max_replication_slots: 64,
  max_wal_senders: 64,
  max_active_replication_origins: 64,
  max_logical_replication_workers: 32,
  max_worker_processes: 48,
  log_timezone: 'UTC',
  timezone: 'UTC',
} as const;
// A commit still survives a SIGKILL of the server: synchronous_commit stays on, and a write() is cheap.
const NOT_DURABLE = { fsync: 'off', full_page_writes: 'off' } as const;

/**
 * One real PostgreSQL 18 server on 127.0.0.1, run from the binaries npm installed. It outlives this process unless
 * `stop()` is called: it runs in a session of its own, so that a Ctrl-C here does not take it away from services that
 * still have something to write. Whoever starts on the same data directory next takes over the server that runs there.
 */
export class EmbeddedPostgres {
  private binaries: Binaries | undefined;
  private identity: Identity | undefined;

  constructor(private readonly options: EmbeddedPostgresOptions) {}

  /**
   * Ready for connections when this resolves; at most 30 s (plus making the data directory on the first run).
   * @throws EmbeddedPostgresError with a code for each of the ways this can fail.
   */
  async start(): Promise<StartedPostgres> {
    const { dataDir, password, durable = true } = this.options;
    const { identity, binaries } = await this.prepare();
    const running = await this.awaitReady();
    if (running) return this.started(running, true);
    await ensureCluster({ dataDir, password, durable, identity, binaries });
    if (!(await canReach(dataDir, identity))) throw unreachable(dataDir, identity);
    await rotateLog(this.logFile, identity);
    // Nobody runs here, so this file is of a server that was killed; its pid may have a new owner that would confuse.
    await rm(join(dataDir, 'postmaster.pid'), { force: true });
    return this.started(await this.launch(identity, binaries), false);
  }

  /**
   * Stops the server, also one that another process started. `fast` ends sessions and writes a checkpoint, `immediate`
   * leaves the work to the next start. Twice is the same as once.
   * @throws EmbeddedPostgresError `stop_failed` when it is still there after 30 s and a second, immediate, attempt.
   */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    if (!(await this.status())) return;
    const { identity, binaries } = await this.prepare();
    for (const attempt of mode === 'fast' ? (['fast', 'immediate'] as const) : (['immediate'] as const)) {
      const args = ['stop', '-D', this.options.dataDir, '-m', attempt, '-w', '-t', '30', '-s'];
      await runCommand(binaries.pgCtl, args, { identity, timeoutMs: 35_000 });
      if (!(await this.status())) return;
    }
    throw new EmbeddedPostgresError('stop_failed', `PostgreSQL does not stop; see ${this.logFile}.`);
  }

  /**
   * Ends the server as a crash of the machine would, but for the disk: all its processes get SIGKILL at once, in the middle of
   * whatever they do. The next `start()` recovers from the log. Nothing happens when none runs.
   * @throws EmbeddedPostgresError `stop_failed` when a process of it is still there after 10 s
   */
  async kill(): Promise<void> {
    const running = await this.status();
    if (!running || (await killTree(running.pid, KILL_TIMEOUT_MS))) return;
    throw new EmbeddedPostgresError('stop_failed', `PostgreSQL (pid ${running.pid}) outlives SIGKILL.`);
  }

  /** The server on this data directory, whoever started it; undefined when none runs. */
  status(): Promise<Postmaster | undefined> {
    return runningPostmaster(this.options.dataDir);
  }

  private get logFile(): string {
    return join(this.options.dataDir, 'server.log');
  }

  private async prepare(): Promise<{ identity: Identity | undefined; binaries: Binaries }> {
    if (!this.binaries) {
      this.identity = await postgresIdentity(this.options.dataDir);
      this.binaries = await findBinaries(this.identity);
    }
    return { identity: this.identity, binaries: this.binaries };
  }

  private async launch(identity: Identity | undefined, binaries: Binaries): Promise<Postmaster> {
    let output = '';
    let port = this.options.port;
    for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
      port = await findFreePort(port);
      const logStart = await sizeOf(this.logFile);
      const args = ['start', '-D', this.options.dataDir, '-w', '-t', String(START_TIMEOUT_S), '-l', this.logFile, '-s'];
      const result = await runCommand(binaries.pgCtl, [...args, '-o', this.serverArguments(port)], {
        identity,
        timeoutMs: (START_TIMEOUT_S + 5) * 1000,
      });
      const running = await this.awaitReady();
      if (running) return running;
      output = `${result.output}\n${await readFrom(this.logFile, logStart)}`.trim();
      // The port may have been taken between the check and the start; the killed server's children may need a moment to end.
      if (!/Address already in use|still in use|already exists/.test(output)) break;
      await delay(200 * attempt);
    }
    throw new EmbeddedPostgresError(
      'start_failed',
      `PostgreSQL did not start; see ${this.logFile}. It said: ${output}`,
    );
  }

  /** Waits for a server that is still recovering; undefined when there is none or it ended meanwhile. */
  private async awaitReady(): Promise<Postmaster | undefined> {
    const deadline = Date.now() + START_TIMEOUT_S * 1000;
    for (;;) {
      const running = await this.status();
      if (!running || running.status === 'ready') return running;
      if (Date.now() > deadline) {
        const hint = `PostgreSQL (pid ${running.pid}) has been "${running.status}" for ${START_TIMEOUT_S} s`;
        throw new EmbeddedPostgresError('start_failed', `${hint}; see ${this.logFile}.`);
      }
      await delay(25);
    }
  }

  private serverArguments(port: number): string {
    const { durable = true, settings = {} } = this.options;
    const all = { ...BASE_SETTINGS, ...(durable ? {} : NOT_DURABLE), ...settings, port };
    return Object.entries(all)
      .map(([name, value]) => `-c ${name}=${shellQuote(String(value))}`)
      .join(' ');
  }

  private started(running: Postmaster, adopted: boolean): StartedPostgres {
    const url = new URL(`postgresql://postgres@127.0.0.1:${running.port}/postgres`);
    url.password = encodeURIComponent(this.options.password);
    return { url: url.href, port: running.port, pid: running.pid, adopted };
  }
}

/** pg_ctl hands the server's arguments to a shell. */
function shellQuote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

function unreachable(dataDir: string, identity: Identity | undefined): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'data_dir_unreachable',
    `User ${identity?.name ?? 'postgres'} cannot enter ${dirname(dataDir)}. Choose a GRAVITAS_HOME it can enter.`,
  );
}

async function rotateLog(logFile: string, identity: Identity | undefined): Promise<void> {
  if ((await sizeOf(logFile)) > MAX_LOG_BYTES) await rename(logFile, `${logFile}.1`);
  const file = await open(logFile, 'a', 0o600);
  await file.close();
  if (identity) await chown(logFile, identity.uid, identity.gid);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

async function readFrom(path: string, start: number): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return '';
  try {
    const buffer = Buffer.alloc(8 * 1024);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
