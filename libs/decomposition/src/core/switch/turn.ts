import pg from 'pg';
import { SplitError } from '../errors.js';
import { type Move } from '../move.js';
import { until } from './until.js';

/** The right to change a move; at most one run has it. */
export interface Turn {
  /**
   * To be asked before every step that cannot be taken back.
   *
   * @throws SplitError `interrupted` when the connection that holds it is gone, and another run may have begun
   */
  assertHeld(): Promise<void>;
  /** Twice is the same as once. */
  release(): Promise<void>;
}

const KEY = `hashtextextended('gravitas-split ' || $1, 0)`;
const OURS = `l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = ${KEY}`;
/** A run that was killed a moment ago: its server process needs a moment to notice. */
const PATIENCE_MS = 1000;
const QUERY_TIMEOUT_MS = 5000;

/**
 * Takes the turn: a session's advisory lock, on a connection of its own to the target, that ends with the process.
 *
 * @throws SplitError `busy` naming who has it; `refused` when the target cannot be reached
 */
export async function takeTurn(move: Move, verb: string): Promise<Turn> {
  const client = new pg.Client({
    connectionString: move.urls.target,
    application_name: `gravitas-split ${verb}`,
    connectionTimeoutMillis: 10_000,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    // A machine that vanished gives the turn back after a quarter of a minute.
    options: '-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3',
  });
  let lost = false;
  client.on('error', () => (lost = true));
  client.on('end', () => (lost = true));
  const { name: service } = move.service;
  const has = async (): Promise<boolean> => {
    const { rowCount } = await client.query(`SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND ${OURS}`, [
      service,
    ]);
    return rowCount === 1;
  };
  let released: Promise<void> | undefined;
  const release = (): Promise<void> => (released ??= client.end().catch(() => undefined));
  try {
    await client.connect();
  } catch (error) {
    await release();
    throw new SplitError(
      'refused',
      `The target of ${service} cannot be reached: ${(error as Error).message}.`,
      'Look whether its server runs and the URL in the plan is right.',
      { cause: error },
    );
  }
  try {
    const taken = async (): Promise<true | undefined> => {
      const { rows } = await client.query<{ taken: boolean }>(`SELECT pg_try_advisory_lock(${KEY}) AS taken`, [
        service,
      ]);
      return rows[0]!.taken || undefined;
    };
    if (!(await until(taken, { timeoutMs: PATIENCE_MS, everyMs: 100, signal: move.signal })))
      throw await busy(client, service);
  } catch (error) {
    await release();
    throw error;
  }
  return {
    release,
    assertHeld: async () => {
      const held = !lost && (await has().catch(() => false));
      if (!held)
        throw new SplitError(
          'interrupted',
          'The connection that holds the turn is gone: another run may have begun.',
          'Run the verb again: it goes on from there.',
        );
    },
  };
}

/** Does `work` with the turn, and gives it back. */
export async function withTurn<T>(move: Move, verb: string, work: (turn: Turn) => Promise<T>): Promise<T> {
  const turn = await takeTurn(move, verb);
  try {
    return await work(turn);
  } finally {
    await turn.release();
  }
}

async function busy(client: pg.Client, service: string): Promise<SplitError> {
  const { rows } = await client.query<{ pid: number; application: string; since: Date }>(
    `SELECT l.pid, a.application_name AS application, a.backend_start AS since
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE ${OURS}`,
    [service],
  );
  const [holder] = rows;
  return new SplitError(
    'busy',
    holder
      ? `Another run works on the move of ${service}: "${holder.application}", since ${holder.since.toISOString()} (server process ${holder.pid}).`
      : `Another run worked on the move of ${service} until just now.`,
    'Wait until it is through, or stop it, and run the verb again.',
  );
}
