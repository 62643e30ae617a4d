import { randomBytes } from 'node:crypto';
import { StandInTool, waitFor } from '#testing';
import { Participation, type ParticipationOptions } from '../../src/route/participation.js';
import { type RoutedPool } from '../../src/route/routed-pool.js';
import { smallMove, type SmallMove } from './small-move.js';

const DDL = 'CREATE TABLE notes (id text PRIMARY KEY, body text NOT NULL)';

export interface Logged {
  details: object;
  message: string;
}

/** A move of one table of notes, and instances that take part in it. */
export interface NotesMove {
  small: SmallMove;
  tool: StandInTool;
  urls: { source: string; target: string };
  /** One more instance. */
  join: (options?: Partial<ParticipationOptions>) => Promise<Participant>;
  /** Ids on one side, sorted. */
  ids: (side: 'source' | 'target') => Promise<string[]>;
  drop: () => Promise<void>;
}

export interface Participant {
  participation: Participation;
  pool: RoutedPool;
  logged: Logged[];
  note: (body?: string) => Promise<string>;
  /** Resolves when it knows how the move stands; while it does not, its reads come from the source. */
  fresh: () => Promise<void>;
  close: () => Promise<void>;
}

export async function notesMove(data = ''): Promise<NotesMove> {
  const small = await smallMove({ ddl: DDL, data, tables: ['notes'] });
  const { move } = small;
  const tool = new StandInTool({ databases: move.databases, state: move.state, tables: await move.tables('source') });
  const { urls } = move;
  const open: Participant[] = [];
  /** The tool waits for nobody who is not on the list, if there is one. */
  const isListed = async ({ move: state, trouble, instance }: Participation): Promise<boolean> => {
    if (trouble || !state) return !trouble;
    const { rows } = await small.target.query<{ list: string | null }>(
      `SELECT to_regclass('decomposition.instances') AS list`,
    );
    if (!rows[0]!.list) return true;
    const mine = 'SELECT FROM decomposition.instances WHERE instance = $1';
    return (await small.target.query(mine, [instance])).rowCount === 1;
  };
  return {
    small,
    tool,
    urls,
    join: async (options) => {
      const participant = await join(urls, options);
      open.push(participant);
      await waitFor('the instance to be on the list', () => isListed(participant.participation));
      return participant;
    },
    ids: async (side) => {
      const { rows } = await small[side].query<{ id: string }>('SELECT id FROM notes ORDER BY id');
      return rows.map(({ id }) => id);
    },
    drop: async () => {
      for (const participant of open) await participant.close();
      await small.drop();
    },
  };
}

async function join(urls: NotesMove['urls'], options: Partial<ParticipationOptions> = {}): Promise<Participant> {
  const logged: Logged[] = [];
  const log = (details: object, message: string): void => {
    logged.push({ details, message });
  };
  const participation = await Participation.start({
    service: 'thing',
    targetUrl: urls.target,
    connections: [],
    log: { info: log, warn: log },
    // The machine may stand still for seconds.
    pauseLimitMs: 20_000,
    ...options,
  });
  const config = { connectionString: urls.source, application_name: 'notes', max: 5, connectionTimeoutMillis: 20_000 };
  const pool = participation.createPool(config, urls);
  pool.on('error', () => undefined);
  let closed: Promise<void> | undefined;
  return {
    participation,
    pool,
    logged,
    note: async (body = '') => {
      const id = randomBytes(8).toString('hex');
      await pool.query('INSERT INTO notes VALUES ($1, $2)', [id, body]);
      return id;
    },
    fresh: async () => {
      await waitFor('the instance to know how the move stands', () => !participation.trouble);
    },
    close: () => (closed ??= pool.end().then(() => participation.close())),
  };
}
