import { type EventEmitter } from 'node:events';
import type pg from 'pg';
import { isFenced } from './moving.js';

/** What pg gives each client, and its types do not name: it emits every error that PostgreSQL answers with, whoever sent the query and how. */
interface WithConnection {
  connection: EventEmitter;
}

/** Calls back for each statement of the client that a fence refuses. To be called once for a client. */
export function watchForFence(client: pg.ClientBase, onFenced: () => void): void {
  (client as unknown as WithConnection).connection.on('errorMessage', (error: unknown) => {
    if (isFenced(error)) onFenced();
  });
}
