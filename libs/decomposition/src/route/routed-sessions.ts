import type pg from 'pg';
import { connectSession } from '#database';
import { type Side } from '../core/side.js';
import { databaseMoving } from './moving.js';
import { watchForFence } from './watch-for-fence.js';
import { type WriteGate } from './write-gate.js';

export interface RoutedSessionsOptions {
  gate: WriteGate;
  writingSide: () => Side;
  onFenced: () => void;
}

/**
 * Connections that are held long, for LISTEN and advisory locks. They lead to the side that takes writes, and are ended when that
 * changes: their owners open others, which wait at the gate. So a pause does not wait for them to be given back.
 */
export class RoutedSessions {
  private readonly sessions = new Set<pg.Client>();

  constructor(private readonly options: RoutedSessionsOptions) {}

  /** @throws ServiceError `database_moving` when writes are paused for too long, or the side changed meanwhile; what pg throws */
  async open(config: pg.ClientConfig, urls: Readonly<Record<Side, string>>, signal?: AbortSignal): Promise<pg.Client> {
    const { gate, writingSide, onFenced } = this.options;
    const leave = await gate.enter(signal);
    try {
      const side = writingSide();
      const client = await connectSession({ ...config, connectionString: urls[side] }, signal);
      if (gate.isClosed || writingSide() !== side) {
        await client.end();
        throw databaseMoving();
      }
      watchForFence(client, onFenced);
      this.sessions.add(client);
      client.once('end', () => this.sessions.delete(client));
      return client;
    } finally {
      leave();
    }
  }

  endAll(): void {
    for (const client of this.sessions) client.end().catch(() => undefined);
    this.sessions.clear();
  }
}
