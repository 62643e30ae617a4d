import { randomInt } from 'node:crypto';
import pg from 'pg';
import { connectionUrl } from '#database';

const ROWS = 1_000_000;
const CHANGED = 20_000;
const DATABASE = 'neighbour';

const SETUP = `
  CREATE TABLE reading (id int PRIMARY KEY, sensor int NOT NULL, value float8 NOT NULL, note text NOT NULL, at timestamptz NOT NULL);
  INSERT INTO reading SELECT n, n % 5000, random(), md5(n::text), now() - n * interval '1 second' FROM generate_series(1, ${ROWS}) n;
  CREATE INDEX reading_sensor_idx ON reading (sensor, at);
  CREATE TABLE arrival (LIKE reading);`;

const AGGREGATE =
  'SELECT sensor, count(*), avg(value), max(note) FROM reading GROUP BY sensor ORDER BY 3 DESC LIMIT 10';
const UPDATE = `UPDATE reading SET value = value + 1 WHERE id BETWEEN $1 AND $1 + ${CHANGED}`;
const ARRIVE = `INSERT INTO arrival SELECT n, n % 5000, random(), md5(n::text), now() FROM generate_series(1, ${CHANGED}) n`;
/** Keeps it at a size. */
const CLEAR_EVERY = 50;

/** Another service of the same server, with tables of its own: eight sessions that add up, change and insert without a rest. */
export class Neighbour {
  private stopped = false;
  private failure: Error | undefined;
  private loops: Promise<void>[] = [];

  private constructor(private readonly pool: pg.Pool) {}

  static async start(serverUrl: string): Promise<Neighbour> {
    const admin = new pg.Client({ connectionString: serverUrl });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${DATABASE}`);
    await admin.end();
    const pool = new pg.Pool({ connectionString: connectionUrl(serverUrl, { database: DATABASE }), max: 8 });
    pool.on('error', () => undefined);
    await pool.query(SETUP);
    await pool.query('VACUUM ANALYZE reading');
    const neighbour = new Neighbour(pool);
    neighbour.work();
    return neighbour;
  }

  /** @throws what one of its statements failed with */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    await this.pool.end();
    if (this.failure) throw this.failure;
  }

  private work(): void {
    for (let session = 0; session < 4; session++) this.repeat(() => this.pool.query(AGGREGATE));
    for (let session = 0; session < 2; session++)
      this.repeat(() => this.pool.query(UPDATE, [randomInt(1, ROWS - CHANGED)]));
    for (let session = 0; session < 2; session++)
      this.repeat((turn) => this.pool.query(turn % CLEAR_EVERY === CLEAR_EVERY - 1 ? 'TRUNCATE arrival' : ARRIVE));
  }

  private repeat(statement: (turn: number) => Promise<unknown>): void {
    const loop = async (): Promise<void> => {
      for (let turn = 0; !this.stopped; turn++) await statement(turn).catch(ignoreDeadlock);
    };
    this.loops.push(loop().catch((error: Error) => void (this.failure ??= error)));
  }
}

/** Two updates of ranges that overlap; a service would try again. */
function ignoreDeadlock(error: Error & { code?: string }): void {
  if (error.code !== '40P01') throw error;
}
