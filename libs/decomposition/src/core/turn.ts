import pg from 'pg';
import { isConnectionError } from '#database';
import { SplitError } from './errors.js';
import { type Move } from './move.js';
import { type Side } from './side.js';
import { until } from './wait-until.js';

/** The right to do something with a move that one run at a time may do. */
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

/** What holds up others of its kind only: verifying goes on beside a switch, and is a part of one. */
export type TurnKind = 'change' | 'create' | 'verify';

/** `create` keeps it on the source, because the target may not be there yet. */
const KEPT_ON: Readonly<Record<TurnKind, Side>> = { change: 'target', create: 'source', verify: 'target' };

const KEY = `hashtextextended('gravitas-split ' || $1, 0)`;
const OURS = `l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = ${KEY}`;
const NO_SUCH_DATABASE = '3D000';
/** A run that was killed a moment ago: its server process needs a moment to notice. */
const PATIENCE_MS = 1000;
const QUERY_TIMEOUT_MS = 5000;

/**
 * Takes the turn: a session's advisory lock, on a connection of its own, that ends with the process.
 *
 * @param verb for whoever is told that somebody else has it
 * @throws SplitError `busy` naming who has it; `not_created` when there is no target yet; `unreachable`, or `refused` when its server lets nobody in
 */
export async function takeTurn(move: Move, verb: string, kind: TurnKind = 'change'): Promise<Turn> {
  const client = new pg.Client({
    connectionString: move.urls[KEPT_ON[kind]],
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
  // No service's name has a space.
  const name = kind === 'change' ? move.service.name : `${kind} ${move.service.name}`;
  const has = async (): Promise<boolean> => {
    const { rowCount } = await client.query(`SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND ${OURS}`, [
      name,
    ]);
    return rowCount === 1;
  };
  let released: Promise<void> | undefined;
  const release = (): Promise<void> => (released ??= client.end().catch(() => undefined));
  const taken = async (): Promise<boolean> => {
    const { rows } = await client.query<{ taken: boolean }>(`SELECT pg_try_advisory_lock(${KEY}) AS taken`, [name]);
    return rows[0]!.taken;
  };
  try {
    await client.connect().catch((error: Error) => {
      throw notThere(move, KEPT_ON[kind], error);
    });
    if (!(await until(taken, { timeoutMs: PATIENCE_MS, everyMs: 50, signal: move.signal })))
      throw await busy(client, move, name);
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
export async function withTurn<T>(
  move: Move,
  verb: string,
  work: (turn: Turn) => Promise<T>,
  kind?: TurnKind,
): Promise<T> {
  const turn = await takeTurn(move, verb, kind);
  try {
    return await work(turn);
  } finally {
    await turn.release();
  }
}

function notThere({ service }: Move, side: Side, cause: Error): SplitError {
  if (side === 'target' && (cause as { code?: string }).code === NO_SUCH_DATABASE)
    return new SplitError('not_created', `${service.name} has no database of its own yet.`, 'Run `create` first.', {
      cause,
    });
  return new SplitError(
    isConnectionError(cause) ? 'unreachable' : 'refused',
    `The ${side} of ${service.name} cannot be reached: ${cause.message}.`,
    'Look whether its server runs and the URL in the plan is right.',
    { cause },
  );
}

async function busy(client: pg.Client, { service }: Move, name: string): Promise<SplitError> {
  const { rows } = await client.query<{ pid: number; application: string; since: Date }>(
    `SELECT l.pid, a.application_name AS application, a.backend_start AS since
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE ${OURS}`,
    [name],
  );
  const [holder] = rows;
  return new SplitError(
    'busy',
    holder
      ? `Another run works on the move of ${service.name}: "${holder.application}", since ${holder.since.toISOString()} (server process ${holder.pid}).`
      : `Another run worked on the move of ${service.name} until just now.`,
    'Wait until it is through, or stop it, and run the verb again.',
  );
}
