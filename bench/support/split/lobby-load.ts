import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { GHOSTS, TENANTS } from './lobby-database.js';

const CONNECTIONS = 8;
const CONTENT = 'What was decided yesterday, and who was there? '.repeat(5);

const INSERT = `
  INSERT INTO history (id, tenant_id, ghost_id, session_id, request_id, role, content, truncated, model, status, created_at)
  VALUES (uuidv7(), $1, $2, $3, $4, 'user', $5, false, NULL, 'complete', now()),
    (uuidv7(), $1, $2, $3, $4, 'assistant', $5, false, 'echo', 'complete', now())`;
const PAGE = `
  SELECT id, role, content, model, status, created_at FROM history WHERE tenant_id = $1 AND ghost_id = $2
  ORDER BY created_at DESC, id DESC LIMIT 50`;

export interface LobbyReport {
  /** A turn is a question and its answer kept, and a page of the history read. */
  turnsPerS: number;
  /** Of each turn. Milliseconds. */
  latencies: number[];
}

/** As fast as eight connections go, for so many seconds. */
export async function lobbyLoad(url: string, seconds: number, stop: AbortSignal): Promise<LobbyReport> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  pool.on('error', () => undefined);
  const latencies: number[] = [];
  const until = performance.now() + seconds * 1000;
  const loop = async (): Promise<void> => {
    while (performance.now() < until && !stop.aborted) {
      const began = performance.now();
      await turn(pool);
      latencies.push(performance.now() - began);
    }
  };
  const began = performance.now();
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, loop));
    return { turnsPerS: latencies.length / ((performance.now() - began) / 1000), latencies };
  } finally {
    await pool.end();
  }
}

async function turn(pool: pg.Pool): Promise<void> {
  const [tenant, ghost] = [`tenant-${below(TENANTS)}`, `ghost-${below(GHOSTS)}`];
  await pool.query(INSERT, [tenant, ghost, randomUUID(), randomUUID(), CONTENT]);
  await pool.query(PAGE, [tenant, ghost]);
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}
