import { type EventEmitter } from 'node:events';
import type pg from 'pg';

type Listener = Parameters<EventEmitter['on']>[1];
export type TransactionStatus = ReturnType<pg.ClientBase['getTransactionStatus']>;

/** What others ask of a client besides queries is the old side's matter alone; so are events. */
export abstract class OldSide {
  constructor(protected readonly old: pg.PoolClient) {}

  getTransactionStatus(): TransactionStatus {
    return this.old.getTransactionStatus();
  }

  escapeIdentifier(text: string): string {
    return this.old.escapeIdentifier(text);
  }

  escapeLiteral(text: string): string {
    return this.old.escapeLiteral(text);
  }

  on(event: string, listener: Listener): this {
    (this.old as EventEmitter).on(event, listener);
    return this;
  }

  once(event: string, listener: Listener): this {
    (this.old as EventEmitter).once(event, listener);
    return this;
  }

  off(event: string, listener: Listener): this {
    (this.old as EventEmitter).off(event, listener);
    return this;
  }

  addListener(event: string, listener: Listener): this {
    return this.on(event, listener);
  }

  removeListener(event: string, listener: Listener): this {
    return this.off(event, listener);
  }

  listenerCount(event: string): number {
    return (this.old as EventEmitter).listenerCount(event);
  }
}
