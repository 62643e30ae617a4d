import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { Participation, type Side } from '#decomposition';
import { TABLE } from './sample.js';

const PARTICIPANTS = 4;
/** Of each participant. */
const WRITERS = 4;
const REST_MS = 20;
/** Of four writes. */
const UPDATES = 1;

/** One write as its writer saw it: both times by performance.now(). */
export interface Write {
  began: number;
  ended: number;
}

/** Four instances of a service that write, each with four writers that rest a moment between two writes. */
export class Writers {
  readonly writes: Write[] = [];
  readonly failures: unknown[] = [];
  /** Rows that were acknowledged. */
  readonly inserted: string[] = [];
  private stopped = false;
  private readonly loops: Promise<void>[] = [];
  private readonly participants: { participation: Participation; pool: pg.Pool }[] = [];

  static async start(urls: Readonly<Record<Side, string>>, service: string): Promise<Writers> {
    const writers = new Writers();
    const silent = { info: () => undefined, warn: () => undefined };
    for (let n = 0; n < PARTICIPANTS; n++) {
      const participation = await Participation.start({
        service,
        targetUrl: urls.target,
        connections: [],
        log: silent,
      });
      const pool = participation.createPool({ connectionString: urls.source, max: WRITERS }, urls);
      pool.on('error', () => undefined);
      writers.participants.push({ participation, pool });
      for (let w = 0; w < WRITERS; w++) writers.loops.push(writers.loop(pool));
    }
    return writers;
  }

  /** The longest that a write took of those that were under way at some moment between the two. Milliseconds. */
  longest(from: number, to: number): number {
    const met = this.writes.filter(({ began, ended }) => began <= to && ended >= from);
    return Math.max(...met.map(({ began, ended }) => ended - began));
  }

  /** Resolves when the last write has been answered. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    for (const { pool, participation } of this.participants) {
      await pool.end();
      await participation.close();
    }
  }

  private async loop(pool: pg.Pool): Promise<void> {
    let last: string | undefined;
    for (let turn = 0; !this.stopped; turn++) {
      const began = performance.now();
      try {
        last = turn % 4 < UPDATES && last !== undefined ? await update(pool, last) : await this.insert(pool);
      } catch (error) {
        this.failures.push(error);
      }
      this.writes.push({ began, ended: performance.now() });
      await sleep(REST_MS);
    }
  }

  private async insert(pool: pg.Pool): Promise<string> {
    const { rows } = await pool.query<{ id: string }>(
      `INSERT INTO ${TABLE} VALUES (uuidv7(), 'tenant-1', 'agent-1', 'Written meanwhile', repeat('words ', 16),
         '{"kind": "note", "tokens": 16}', 0.25, now(), now()) RETURNING id`,
    );
    const id = rows[0]!.id;
    this.inserted.push(id);
    return id;
  }
}

async function update(pool: pg.Pool, id: string): Promise<string> {
  await pool.query(`UPDATE ${TABLE} SET subject = subject || '.', updated_at = now() WHERE id = $1`, [id]);
  return id;
}
