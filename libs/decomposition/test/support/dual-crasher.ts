import pg from 'pg';
import { openMove } from '../../src/core/move.js';
import { type Plan } from '../../src/core/plan/plan.js';
import { DualWriteStream } from '../../src/core/stream/dual-write/dual-write-stream.js';
import { DualClient } from '../../src/route/dual/dual-client.js';

/**
 * A process that comes to a certain point, says so, and waits to be killed there. Arguments: the plan as JSON, the point, and the SQL of
 * a transaction that is written to both sides.
 */
export type CrashPoint = 'before the new COMMIT' | 'between the COMMITs' | 'reconciler, before it settles';

type Query = (...args: unknown[]) => unknown;

/** The process is at the point when `stopsAt` is asked of a client or a pool; it never gets an answer. */
function stopAt(database: object, stopsAt: (text: string) => boolean): void {
  const asked = database as { query: Query };
  const query = asked.query.bind(database);
  asked.query = (...args: unknown[]) => {
    const [first] = args as [string | { text?: string }];
    if (!stopsAt(typeof first === 'string' ? first : (first.text ?? ''))) return query(...args);
    process.stdout.write('here\n');
    return new Promise(() => setInterval(() => undefined, 1000));
  };
}

async function main([planText = '', point, sql = '']: string[]): Promise<void> {
  const plan = JSON.parse(planText) as Plan;
  const move = openMove(plan, 'thing');
  if (point === 'reconciler, before it settles') {
    stopAt(move.databases.source, (text) => text.includes('DELETE FROM decomposition.changes'));
    await new DualWriteStream(move, 'source').reconcileOnce(new AbortController().signal);
    return;
  }
  const client = async (url: string, stops: boolean): Promise<pg.PoolClient> => {
    const made = await new pg.Pool({ connectionString: url }).connect();
    if (stops) stopAt(made, (text) => text === 'COMMIT');
    return made;
  };
  const dual = new DualClient({
    old: await client(move.urls.source, point === 'between the COMMITs'),
    fresh: () => client(move.urls.target, point === 'before the new COMMIT'),
    halfTimeoutMs: 60_000,
  });
  await dual.query('BEGIN');
  await dual.query(sql);
  await dual.query('COMMIT');
}

await main(process.argv.slice(2));
