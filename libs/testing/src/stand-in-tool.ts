import type pg from 'pg';
import {
  fence,
  otherSide,
  quoted,
  unfence,
  type MoveState,
  type MoveStore,
  type Side,
  type Table,
} from '#decomposition';
import { waitFor } from './wait-for.js';

export interface StandInSides {
  databases: Readonly<Record<Side, pg.Pool>>;
  state: MoveStore;
  tables: readonly Pick<Table, 'schema' | 'name' | 'partitioned'>[];
}

/** What the tool does to a move as far as participants see it; in place of a stream, the tables are copied whole while both are fenced. */
export class StandInTool {
  constructor(private readonly sides: StandInSides) {}

  /** Pauses, and waits until every instance that lives has said that it does. */
  async pause(pausedFor: 'switch' | 'reverse'): Promise<MoveState> {
    const state = await this.sides.state.change({ writes: 'paused', pausedFor });
    await this.allAt(state.epoch, true);
    return state;
  }

  /** Opens that side, which the other must have been fenced for, and says so. */
  async resume(to: Side): Promise<void> {
    const { databases, state, tables } = this.sides;
    const client = await databases[to].connect();
    await unfence(client, tables).finally(() => client.release());
    const phase = to === 'target' ? 'switched' : 'in_step';
    await state.change({ writes: to, pausedFor: null, phase, ...(to === 'source' && { readPercent: 0 }) });
  }

  /** All of it, there or back. */
  async flip(to: Side): Promise<void> {
    const { databases, tables } = this.sides;
    await this.pause(to === 'target' ? 'switch' : 'reverse');
    const from = otherSide(to);
    await fence(databases[from], tables, { reason: 'another side takes writes' });
    for (const table of tables) await this.copy(table, from);
    await this.resume(to);
  }

  /** Copies a table's rows over those of the other side, fence or no fence. */
  async copy(table: Pick<Table, 'schema' | 'name'>, from: Side): Promise<void> {
    const { databases } = this.sides;
    const { rows } = await databases[from].query<{ all: string }>(
      `SELECT coalesce(json_agg(t), '[]')::text AS all FROM ${quoted(table)} t`,
    );
    const client = await databases[otherSide(from)].connect();
    try {
      await client.query('BEGIN; SET LOCAL session_replication_role = replica');
      await client.query(`DELETE FROM ${quoted(table)}`);
      await client.query(
        `INSERT INTO ${quoted(table)} SELECT * FROM json_populate_recordset(NULL::${quoted(table)}, $1)`,
        [rows[0]!.all],
      );
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  }

  /** Waits until all instances act by this state or a later one. */
  async allAt(epoch: number, paused = false): Promise<void> {
    await waitFor(`all instances at epoch ${epoch}`, async () => {
      const { rows } = await this.sides.databases.target.query<{ late: number }>(
        'SELECT count(*) FILTER (WHERE epoch < $1 OR paused <> $2)::int AS late FROM decomposition.instances',
        [epoch, paused],
      );
      return rows[0]!.late === 0;
    });
  }
}
