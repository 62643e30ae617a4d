import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openSession } from '#database';
import { errorMessage } from '#errors';
import { openCheckpoint, signCheckpoint, tenantOrigin, TreeEdge, type NoteSigner, type TileData } from '#tlog';
import { readTrees, TileTable, writeLeaves, writeTiles, writeTrees, type Query, type TreeRow } from './log-tables.js';
import {
  hashAt,
  readNewEvents,
  withHashes,
  type NewEvents,
  type NewRange,
  type NewRun,
  type Place,
} from './new-leaves.js';

export interface SequencerOptions {
  /** As the notary, to PostgreSQL itself: the lock belongs to the session. */
  url: string;
  /** The log's key; each tenant's log has its own name. */
  signer: NoteSigner;
  /** Milliseconds between two looks while there is little to do. */
  intervalMs: number;
  /** Events that one transaction takes in at most. */
  batchSize: number;
  log: { info: (details: object, message: string) => void; warn: (details: object, message: string) => void };
  /** Told of each transaction that took something in. */
  onStep?: (step: Step) => void;
}

export interface Step {
  events: number;
  tenants: number;
  /** How long the oldest of them waited, from its time to its checkpoint. Seconds. */
  delay: number;
}

/** Where the sequencer stands: only the leader takes events in. */
export type SequencerState = 'starting' | 'follower' | 'leader' | 'stopped';

/** What came with the snapshot `seen` is in a tree; what came since, and up to `target`, is not yet. */
interface Position extends NewRange {
  /** The last transaction from before there was a log. */
  adopted: string;
}

const LOCK_KEY = 5_113_270_118;
const FOLLOW_MS = 1000;
const MAX_PAUSE_MS = 10_000;
const LED_BY_ANOTHER = 'another instance leads the transparency log by now';
const STATEMENT_TIMEOUT_MS = 60_000;
const LEAVES_AT_ONCE = 128;
/** Trees whose edges stay in memory, of up to 59 KiB each. */
const MAX_EDGES = 256;
const BYTEA: number = pg.types.builtins.BYTEA;
/** A row's values as text: a Date has no microseconds, a number no 64 bits. */
const AS_TEXT = { getTypeParser: (oid: number) => (oid === BYTEA ? bytes : text) };

/**
 * Gives committed events their places in their tenants' trees: contiguous, in the order in which PostgreSQL started the transactions that
 * brought them, and never one twice.
 *
 * What is new is what a snapshot shows and the one before did not: exact whatever commits in which order, where "the ids above the last"
 * would skip what commits late. One instance at a time does it, under an advisory lock; each transaction also checks that the epoch is still
 * its own, so that a leader that lost its lock without noticing changes nothing. A checkpoint is signed before its transaction
 * commits and shown only by the database, so one that did not commit was never seen.
 */
export class Sequencer {
  private readonly edges = new Map<string, TreeEdge>();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private current: SequencerState = 'starting';
  private trouble: string | undefined;

  constructor(private readonly options: SequencerOptions) {}

  get state(): SequencerState {
    return this.current;
  }

  /** Why it does not get on; undefined while it does. */
  get problem(): string | undefined {
    return this.trouble;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Finishes the transaction under way. Twice is the same as once. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    this.current = 'stopped';
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.stopping.signal.aborted;) {
      try {
        await this.takePart(() => (failures = 0));
      } catch (error) {
        failures++;
        if (this.stopping.signal.aborted) return;
        const problem = errorMessage(error, 0);
        if (problem !== this.trouble) this.options.log.warn({ err: error }, 'the transparency log does not get on');
        this.trouble = problem;
        await this.pause(Math.min(MAX_PAUSE_MS, this.options.intervalMs * 2 ** Math.min(failures, 10)));
      }
    }
  }

  /** Until it is stopped or something fails: waits for its turn to lead, and leads. */
  private async takePart(onProgress: () => void): Promise<void> {
    const client = await this.connect();
    try {
      await this.awaitLead(client);
      if (this.stopping.signal.aborted) return;
      const epoch = await this.beginEpoch(client);
      this.current = 'leader';
      this.options.log.info({ epoch }, 'the transparency log is led by this instance');
      while (!this.stopping.signal.aborted) {
        const events = await this.step(client, epoch);
        if (this.trouble !== undefined) this.options.log.info({}, 'the transparency log gets on again');
        this.trouble = undefined;
        onProgress();
        if (events < this.options.batchSize) await this.pause(this.options.intervalMs);
      }
    } finally {
      this.current = 'follower';
      this.edges.clear();
      // Ends the session, and with it the lock.
      await client.end().catch(() => undefined);
    }
  }

  private async connect(): Promise<pg.Client> {
    const config: pg.ClientConfig = {
      connectionString: this.options.url,
      application_name: 'gravitas-gatekeeper-notary',
      connectionTimeoutMillis: 5000,
      query_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
    };
    const client = await openSession(config, this.stopping.signal);
    await client.query(`SET statement_timeout = ${STATEMENT_TIMEOUT_MS}; SET timezone = 'UTC'`);
    return client;
  }

  private async awaitLead(client: pg.Client): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [LOCK_KEY]);
      if (rows[0]!.mine) return;
      this.current = 'follower';
      this.trouble = undefined;
      await this.pause(FOLLOW_MS);
    }
  }

  /** @throws Error when the trees are signed with another key, or the database is a copy in another cluster */
  private async beginEpoch(client: pg.Client): Promise<string> {
    const key = this.options.signer.verifier.toString();
    const { rows } = await client.query<{ epoch: string; key: string; ahead: boolean }>(
      `UPDATE tlog_sequencer SET epoch = epoch + 1, key = coalesce(key, $1)
       RETURNING epoch, key, pg_snapshot_xmax(seen)::text::numeric > pg_snapshot_xmax(audit_snapshot())::text::numeric AS ahead`,
      [key],
    );
    const [state] = rows;
    if (state?.key !== key)
      throw new Error(
        `the log is signed with the key ${state?.key}, and this instance has another: give it that key (GATEKEEPER_LOG_KEY_PATH)`,
      );
    if (state.ahead)
      throw new Error(
        'the transactions of the log are ahead of those of this PostgreSQL: the database was put into another cluster while this instance ran; start it anew, and it counts on from there',
      );
    return state.epoch;
  }

  /** One transaction. @returns how many events it took in */
  private async step(client: pg.Client, epoch: string): Promise<number> {
    const query: Query = async (sql, values) =>
      (await client.query({ text: sql, values: [...values], types: AS_TEXT })).rows as never;
    try {
      await client.query('BEGIN');
      const position = await this.position(query, epoch);
      const events = await readNewEvents(query, position, this.options.batchSize);
      // With nothing new there is nothing to write, not even where it stands.
      let step: Step | undefined;
      if (events.count > 0 || position.after !== undefined) {
        await this.holdEpoch(query, epoch);
        if (events.count > 0) step = await this.takeIn(query, position, events.runs);
        await this.advance(query, position, events);
      }
      await client.query('COMMIT');
      if (step) this.options.onStep?.(step);
      return events.count;
    } catch (error) {
      // Whatever was appended is not in the database.
      this.edges.clear();
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  /** @throws Error when another instance leads by now */
  private async position(query: Query, epoch: string): Promise<Position> {
    const [found] = await query<Record<'seen' | 'adopted', string> & Record<keyof Place | 'target', string | null>>(
      'SELECT seen, target, after_xid AS xid, after_time AS time, after_id AS id, adopted FROM tlog_sequencer WHERE epoch = $1',
      [epoch],
    );
    if (!found) throw new Error(LED_BY_ANOTHER);
    const { seen, adopted, target, xid, time, id } = found;
    const after = xid !== null && time !== null && id !== null ? { xid, time, id } : undefined;
    if (target !== null) return { seen, adopted, target, after };
    const [now] = await query<{ snapshot: string }>('SELECT audit_snapshot() AS snapshot', []);
    return { seen, adopted, target: now!.snapshot, after };
  }

  /** Until the transaction ends nobody else begins an epoch. @throws Error when another instance leads by now */
  private async holdEpoch(query: Query, epoch: string): Promise<void> {
    const held = await query('SELECT FROM tlog_sequencer WHERE epoch = $1 FOR UPDATE', [epoch]);
    if (held.length === 0) throw new Error(LED_BY_ANOTHER);
  }

  private async advance(query: Query, { target }: Position, { count, last }: NewEvents): Promise<void> {
    if (last === undefined || count < this.options.batchSize)
      await query(
        'UPDATE tlog_sequencer SET seen = $1, target = NULL, after_xid = NULL, after_time = NULL, after_id = NULL',
        [target],
      );
    else
      await query('UPDATE tlog_sequencer SET target = $1, after_xid = $2, after_time = $3, after_id = $4', [
        target,
        last.xid,
        last.time,
        last.id,
      ]);
  }

  private async takeIn(query: Query, { adopted }: Position, found: readonly NewRun[]): Promise<Step> {
    const runs: NewRun[] = [];
    for (const run of found) {
      const hashed = await withHashes(query, run, BigInt(adopted));
      if (hashed) runs.push(hashed);
    }
    const byTenant = Map.groupBy(runs, ({ tenant_id }) => tenant_id);
    const trees = await readTrees(query, [...byTenant.keys()]);
    const placed: (NewRun & { first: number })[] = [];
    const tiles: (TileData & { tenant: string })[] = [];
    const grown: TreeRow[] = [];
    for (const [tenant, ownRuns] of byTenant) {
      const edge = await this.edge(query, tenant, trees.get(tenant));
      for (const run of ownRuns) {
        placed.push({ ...run, first: edge.size });
        await appendTo(edge, run);
      }
      for (const tile of edge.takeChanged()) tiles.push({ ...tile, tenant });
      grown.push({ tenant_id: tenant, size: edge.size, checkpoint: this.sign(tenant, edge) });
    }
    await writeLeaves(query, placed);
    await writeTiles(query, tiles);
    await writeTrees(query, grown);
    const oldest = Math.min(...runs.map((run) => Date.parse(`${run.oldest.replace(' ', 'T')}:00`)));
    const events = runs.reduce((sum, { count }) => sum + count, 0);
    return { events, tenants: byTenant.size, delay: events > 0 ? Math.max(0, (Date.now() - oldest) / 1000) : 0 };
  }

  /** @throws TlogError when the tiles are not those that the checkpoint was made of: somebody has changed them */
  private async edge(query: Query, tenant: string, tree: TreeRow | undefined): Promise<TreeEdge> {
    const known = this.edges.get(tenant);
    this.edges.delete(tenant);
    const size = tree?.size ?? 0;
    const edge = known?.size === size ? known : await this.open(query, tenant, tree);
    // The one that was used last is the last to go.
    this.edges.set(tenant, edge);
    if (this.edges.size > MAX_EDGES) this.edges.delete(this.edges.keys().next().value!);
    return edge;
  }

  private async open(query: Query, tenant: string, tree: TreeRow | undefined): Promise<TreeEdge> {
    if (!tree) return new TreeEdge();
    const { verifier } = this.signerOf(tenant);
    const { size, root } = openCheckpoint(tree.checkpoint, verifier);
    if (size !== tree.size) throw new Error(`the tree of ${tenant} has another size than its checkpoint`);
    return TreeEdge.open(size, new TileTable(query, tenant), root);
  }

  private sign(tenant: string, edge: TreeEdge): string {
    return signCheckpoint({ size: edge.size, root: edge.root() }, this.signerOf(tenant));
  }

  private signerOf(tenant: string): NoteSigner {
    const { signer } = this.options;
    return signer.named(tenantOrigin(signer.name, tenant));
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}

/** Lets requests have their turn between leaves: each takes some microseconds, and thousands come at a time. */
async function appendTo(edge: TreeEdge, run: NewRun): Promise<void> {
  for (let place = 0; place < run.count; place++) {
    if (place % LEAVES_AT_ONCE === 0) await turn();
    edge.append(hashAt(run, place));
  }
}

function text(value: string): string {
  return value;
}

/** As PostgreSQL writes it: `\x` and hexadecimal digits. */
function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex');
}
