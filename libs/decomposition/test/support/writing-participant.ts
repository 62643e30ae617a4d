import type pg from 'pg';
import { type Side } from '../../src/core/side.js';
import { Participation, type ParticipationOptions } from '../../src/route/participation.js';
import { dualClients } from '../../src/route/dual/dual-clients.js';

export interface WritingParticipant {
  participation: Participation;
  pool: pg.Pool;
  close: () => Promise<void>;
}

/** One instance of service `thing`, with a pool that leads where the move says, and writes both sides where it says so. */
export async function joinMove(
  urls: Readonly<Record<Side, string>>,
  options: Partial<ParticipationOptions> = {},
): Promise<WritingParticipant> {
  const participation = await Participation.start({
    service: 'thing',
    targetUrl: urls.target,
    connections: [],
    log: { info: () => undefined, warn: () => undefined },
    dualClient: dualClients(),
    ...options,
  });
  const config = { connectionString: urls.source, application_name: 'thing', max: 10, connectionTimeoutMillis: 20_000 };
  const pool = participation.createPool(config, urls);
  pool.on('error', () => undefined);
  let closed: Promise<void> | undefined;
  return {
    ...{ participation, pool },
    close: () => (closed ??= pool.end().then(() => participation.close())),
  };
}
