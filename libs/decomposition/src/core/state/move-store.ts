import type pg from 'pg';
import { SplitError } from '../errors.js';
import { type MoveState } from './move-state.js';
import { MOVES_CHANNEL } from './schema.js';

type Queryable = Pick<pg.ClientBase, 'query'> | pg.Pool;

const COLUMNS = `service, strategy, phase, writes, paused_for AS "pausedFor", read_percent AS "readPercent",
  shadow_percent AS "shadowPercent", dual, epoch::float8 AS epoch, verified_at AS "verifiedAt", drop_after AS "dropAfter",
  changed_at AS "changedAt"`;

const COLUMN_OF = {
  phase: 'phase',
  writes: 'writes',
  pausedFor: 'paused_for',
  readPercent: 'read_percent',
  shadowPercent: 'shadow_percent',
  dual: 'dual',
  verifiedAt: 'verified_at',
  dropAfter: 'drop_after',
} as const;

/** What no participant has to know: a verification may end in the middle of a switch. */
const QUIET = new Set<string>(['verifiedAt', 'dropAfter']);
/** What takes nobody's turn: a stream says `dual` when it starts and stops, in the middle of a switch, too. */
const SAME_EPOCH = new Set<string>([...QUIET, 'dual']);

/** What may change; `strategy` is chosen once. */
export type MoveChange = Partial<Pick<MoveState, keyof typeof COLUMN_OF>>;
/** What must still be so. An epoch stands for the row without SAME_EPOCH: nobody has changed it since. */
export type MoveExpectation = MoveChange & { epoch?: number };

/** Reads one service's state from its target database. @returns undefined when there is none, no schema for it, or no database */
export async function readMove(target: Queryable, service: string): Promise<MoveState | undefined> {
  try {
    const { rows } = await target.query<MoveState>(`SELECT ${COLUMNS} FROM decomposition.moves WHERE service = $1`, [
      service,
    ]);
    return rows[0];
  } catch (error) {
    // No such table, no such schema, no such database.
    if (['42P01', '3F000', '3D000'].includes((error as { code?: string }).code ?? '')) return undefined;
    throw error;
  }
}

/** One service's move, as the tool keeps it. */
export class MoveStore {
  constructor(
    private readonly target: pg.Pool,
    readonly service: string,
  ) {}

  /** @throws SplitError `not_created` */
  async read(client: Queryable = this.target): Promise<MoveState> {
    const found = await readMove(client, this.service);
    if (found) return found;
    throw new SplitError('not_created', `There is no move of ${this.service} yet.`, 'Run `create` first.');
  }

  find(): Promise<MoveState | undefined> {
    return readMove(this.target, this.service);
  }

  /**
   * Changes the state in one statement, in the transaction of `client` if one is given, and tells participants when it is committed.
   * A change of nothing makes a new epoch.
   *
   * @param from what must still be so
   * @throws SplitError `busy` when it is not
   */
  async change(change: MoveChange, from: MoveExpectation = {}, client: Queryable = this.target): Promise<MoveState> {
    const values: unknown[] = [this.service];
    const term = ([key, value]: [string, unknown], compare: string): string => {
      values.push(value);
      return `${key === 'epoch' ? key : COLUMN_OF[key as keyof typeof COLUMN_OF]} ${compare} $${values.length}`;
    };
    const sets = Object.entries(change).map((entry) => term(entry, '='));
    const wheres = Object.entries(from).map((entry) => term(entry, 'IS NOT DISTINCT FROM'));
    const only = (keys: ReadonlySet<string>): boolean =>
      sets.length > 0 && Object.keys(change).every((key) => keys.has(key));
    const { rows } = await client.query<MoveState>(
      `WITH told AS (SELECT ${only(QUIET) ? '' : `pg_notify('${MOVES_CHANNEL}', $1)`})
       UPDATE decomposition.moves
       SET ${[...sets, ...(only(SAME_EPOCH) ? [] : ['epoch = epoch + 1']), 'changed_at = clock_timestamp()'].join(', ')}
       FROM told WHERE ${['service = $1', ...wheres].join(' AND ')} RETURNING ${COLUMNS}`,
      values,
    );
    if (rows[0]) return rows[0];
    const now = await this.read(client);
    throw new SplitError(
      'busy',
      `The move of ${this.service} is not as it was (phase ${now.phase}, writes ${now.writes}): something else changed it meanwhile.`,
      'Look at `status`, and run the verb again.',
    );
  }

  /** Says since when the sides are known to be equal. No participant has to know: the epoch stays. */
  async verified(at: Date | null, client: Queryable = this.target): Promise<void> {
    await client.query('UPDATE decomposition.moves SET verified_at = $2 WHERE service = $1', [this.service, at]);
  }

  /** Whether the side that follows has missed changes and is not made equal again yet. */
  async hasMissed(): Promise<boolean> {
    const { rowCount } = await this.target.query('SELECT FROM decomposition.missed WHERE service = $1', [this.service]);
    return (rowCount ?? 0) > 0;
  }

  /** The side that follows has missed changes: nothing counts as verified any more. */
  async missed(): Promise<void> {
    await this.target.query(
      `WITH missed AS (INSERT INTO decomposition.missed (service) VALUES ($1) ON CONFLICT DO NOTHING),
         stale AS (UPDATE decomposition.ranges SET stale = true WHERE service = $1)
       UPDATE decomposition.moves SET verified_at = NULL WHERE service = $1`,
      [this.service],
    );
  }

  /** It is equal again; `verify` has said so. */
  async madeEqual(): Promise<void> {
    await this.target.query('DELETE FROM decomposition.missed WHERE service = $1', [this.service]);
  }

  async journal(verb: string, step: string, detail: object = {}, client: Queryable = this.target): Promise<void> {
    await client.query('INSERT INTO decomposition.journal (service, verb, step, detail) VALUES ($1, $2, $3, $4)', [
      this.service,
      verb,
      step,
      JSON.stringify(detail),
    ]);
  }
}
