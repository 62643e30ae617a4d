import type pg from 'pg';
import { type DualClientFactory } from '../routed-pool.js';
import { DualClient } from './dual-client.js';
import { HalfBreaker } from './half-breaker.js';

/** Makes the connections of one participant that write to both sides. */
export function dualClients(): DualClientFactory {
  const breaker = new HalfBreaker();
  return (halves) => new DualClient({ ...halves, breaker }) as unknown as pg.PoolClient;
}
