import type pg from 'pg';
import { type ChangedKeys } from '../../src/core/stream/stream.js';
import { type Difference, type Verification } from '../../src/core/verify/verification.js';
import { type VerifyStream } from '../../src/core/verify/verify.js';
import { smallMove, type SmallMove, type SmallMoveOptions } from './small-move.js';

/** A move whose copy is done; what `ddl` puts into the tables is on both sides. */
export async function movedInStep(options: SmallMoveOptions): Promise<SmallMove> {
  const small = await smallMove(options);
  await small.target.query(`UPDATE decomposition.moves SET phase = 'in_step'`);
  for (const pool of [small.source, small.target]) await pool.query('ANALYZE');
  return small;
}

/** Writes past the fence, as nobody should. */
export async function plant(pool: pg.Pool, sql: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query(`SET session_replication_role = replica; ${sql}`);
  } finally {
    client.release(true);
  }
}

/** A stream with nothing on its way; the test says what changed. */
export function stillStream(): VerifyStream & { changed: ChangedKeys[] } {
  const stream = {
    changed: [] as ChangedKeys[],
    catchUp: async () => undefined,
    changes: {
      async *read() {
        yield* stream.changed;
      },
      forget: async () => {
        stream.changed = [];
      },
    },
  };
  return stream;
}

/** Short, for comparing. */
export function found({ differences }: Pick<Verification, 'differences'>): string[] {
  return differences.map(brief).sort();
}

export function brief({ table, kind, key }: Difference): string {
  return `${kind} ${table.replace('public.', '')} ${key ? key.join('/') : '-'}`;
}
