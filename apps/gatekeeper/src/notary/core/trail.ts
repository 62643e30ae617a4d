import { type LogLeaf, type LogSource } from '#tlog';
import { type StoredSeal } from './month-seal.js';

export interface TrailLeaf extends LogLeaf {
  /** Of its event, `YYYY-MM`; undefined where that cannot be told. */
  month?: string | undefined;
}

/** A tenant's log with the months of its leaves. */
export interface TenantLog extends LogSource {
  leaves(): AsyncIterable<readonly TrailLeaf[]>;
  /** The size that is noted beside the newest checkpoint, where one is; known once that was read. */
  readonly notedSize?: number | undefined;
}

/** The logs of all tenants as they are kept somewhere, at one moment. */
export interface Trail {
  /** Of which there is anything at all: events, leaves, tiles, checkpoints. */
  tenants(): readonly string[];
  log(tenant: string): TenantLog;
  seals(): readonly StoredSeal[];
  /** Events that wait to be sequenced: nothing is proved of them yet. */
  pending?(tenant: string): Pending;
}

export interface Pending {
  events: number;
  /** Of the oldest, RFC 3339; null when there is none. */
  oldest: string | null;
}
