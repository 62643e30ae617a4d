import type pg from 'pg';
import { type Side } from '../../side.js';

interface Beat {
  number: number;
  /** As the side's clock has it that sent it. */
  at: string;
}

const READ = `SELECT number::float8 AS number, at::text AS at FROM decomposition.beats WHERE service = $1 AND side = $2`;

/**
 * A row that is written on one side and waited for on the other: when it has come, so has everything that was committed before it.
 * `confirmed_flush_lsn` is no measure, it is told now and then only.
 */
export class Beats {
  constructor(
    private readonly service: string,
    private readonly side: Side,
    private readonly here: pg.Pool,
    private readonly there: pg.Pool,
  ) {}

  /**
   * Before the stream keeps anything, so that it only ever sees updates, and of a row that is there. A number of an earlier stream
   * must not be taken for one that is still to come.
   */
  async prepare(): Promise<void> {
    await this.there.query(
      `INSERT INTO decomposition.beats (service, side, number, at) VALUES ($1, $2, 0, clock_timestamp()) ON CONFLICT DO NOTHING`,
      [this.service, this.side],
    );
    const { number } = (await this.arrived())!;
    await this.here.query(
      `INSERT INTO decomposition.beats AS b (service, side, number, at) VALUES ($1, $2, $3, clock_timestamp())
       ON CONFLICT (service, side) DO UPDATE SET number = excluded.number WHERE b.number < excluded.number`,
      [this.service, this.side, number],
    );
  }

  /** @returns its number */
  async send(): Promise<number> {
    const { rows } = await this.here.query<{ number: number }>(
      `UPDATE decomposition.beats SET number = number + 1, at = clock_timestamp() WHERE service = $1 AND side = $2
       RETURNING number::float8 AS number`,
      [this.service, this.side],
    );
    return rows[0]?.number ?? Number.POSITIVE_INFINITY;
  }

  /** The last one that came. */
  async arrived(): Promise<Beat | undefined> {
    const { rows } = await this.there.query<Beat>(READ, [this.service, this.side]);
    return rows[0];
  }

  /** Seconds since something that carries the sender's time. */
  async age(at: string): Promise<number> {
    const { rows } = await this.here.query<{ age: number }>(
      'SELECT extract(epoch FROM clock_timestamp() - $1::timestamptz)::float8 AS age',
      [at],
    );
    return Math.max(rows[0]!.age, 0);
  }

  /** On the side of `pool`, if there ever was one. */
  async remove(pool: pg.Pool): Promise<void> {
    const { rows } = await pool.query<{ there: boolean }>(
      `SELECT to_regclass('decomposition.beats') IS NOT NULL AS there`,
    );
    if (rows[0]!.there)
      await pool.query('DELETE FROM decomposition.beats WHERE service = $1 AND side = $2', [this.service, this.side]);
  }
}
