import type pg from 'pg';
import { waitFor } from '#testing';
import { type Move } from '../../src/core/move.js';
import { MoveStore } from '../../src/core/state/move-store.js';

/** A move whose process is killed at a certain query. */
export interface MortalMove {
  move: Move;
  /** Resolves when it was killed: its connections are gone, and what it waits for never comes. */
  died: Promise<void>;
  /** How many queries it has made. */
  queries: () => number;
}

const NEVER = new Promise<never>(() => undefined);

/** @param lastQuery it is killed after this one was carried out, before it hears of that */
export function mortalMove(move: Move, lastQuery: number): MortalMove {
  const clients = new Set<pg.PoolClient>();
  let count = 0;
  let die: () => void = () => undefined;
  const died = new Promise<void>((resolve) => (die = resolve));
  const kill = async (): Promise<never> => {
    const sessions = [...clients].map((client) => (client as pg.PoolClient & { processID: number }).processID);
    for (const client of clients) client.release(true);
    clients.clear();
    // The turn goes with the process.
    await move.databases.target.query(
      `SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'gravitas-split %'`,
    );
    // Both sides are on one server here.
    await waitFor('its sessions to end', async () => {
      const left = await move.databases.target.query('SELECT FROM pg_stat_activity WHERE pid = ANY ($1)', [sessions]);
      return left.rowCount === 0;
    });
    die();
    return NEVER;
  };
  /** Whatever it does after its death, nobody sees. */
  const alive = async <T>(work: () => Promise<T>): Promise<T> => {
    if (count >= lastQuery) return NEVER;
    count += 1;
    const mine = count;
    const result = await work();
    if (mine === lastQuery) return kill();
    return count >= lastQuery ? NEVER : result;
  };
  const mortalClient = (client: pg.PoolClient): pg.PoolClient => {
    clients.add(client);
    return new Proxy(client, {
      get: (target, name) => {
        if (name === 'query') return (...args: [string, unknown[]]) => alive(() => target.query(...args));
        if (name === 'release')
          return (destroy?: boolean) => {
            if (clients.delete(client)) client.release(destroy);
          };
        return Reflect.get(target, name) as unknown;
      },
    });
  };
  const mortalPool = (pool: pg.Pool): pg.Pool =>
    new Proxy(pool, {
      get: (target, name) => {
        if (name === 'query') return (...args: [string, unknown[]]) => alive(() => target.query(...args));
        if (name === 'connect') return async () => mortalClient(await target.connect());
        return Reflect.get(target, name) as unknown;
      },
    });
  const databases = { source: mortalPool(move.databases.source), target: mortalPool(move.databases.target) };
  return {
    move: { ...move, databases, state: new MoveStore(databases.target, move.service.name) },
    died,
    queries: () => count,
  };
}
