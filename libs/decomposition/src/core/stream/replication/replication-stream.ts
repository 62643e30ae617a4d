import { readTables } from '../../catalogue/read-tables.js';
import { SplitError } from '../../errors.js';
import { type Move } from '../../move.js';
import { otherSide, type Side } from '../../side.js';
import { waitUntil } from '../../wait-until.js';
import { type CopyAid, type Lag, type StartOptions, type Stream } from '../stream.js';
import { Beats } from './beat.js';
import { ReplicationCopyAid } from './replication-copy-aid.js';
import { dropPublications, ensurePublications } from './publications.js';
import { dropReplay, makeReplay } from './replay.js';
import { ReplicationChangeLog } from './replication-change-log.js';
import { flushedLsn } from './server.js';
import { advanceSlot, dropSlot, ensureSlot, lostSlot, readSlot, waitUntilInactive } from './slots.js';
import { streamNames, type StreamNames } from './stream-names.js';
import {
  advanceSubscription,
  disableSubscription,
  dropSubscription,
  enableSubscription,
  ensureSubscription,
  readSubscription,
  subscriptionTrouble,
} from './subscription.js';

/** A beat that takes longer is on its way, not there. */
const SOON_MS = 250;

/** By PostgreSQL's logical replication: publication, slot and subscription are named after the move. */
export class ReplicationStream implements Stream {
  readonly changes: ReplicationChangeLog;
  readonly copyAid: CopyAid;
  readonly names: StreamNames;
  private readonly beats: Beats;

  constructor(
    private readonly move: Move,
    readonly from: Side,
  ) {
    this.names = streamNames(move, from);
    const { signal, service } = move;
    this.changes = new ReplicationChangeLog({
      pool: this.here,
      name: this.names.log,
      tables: () => move.tables(from),
      signal,
    });
    this.beats = new Beats(service.name, from, this.here, this.there);
    this.copyAid = new ReplicationCopyAid(move, this);
  }

  async capture(): Promise<void> {
    const { move, names, from } = this;
    await this.refuseWithoutDecoding();
    await this.refuseWithoutAdvancing();
    await this.beats.prepare();
    const tables = await move.tables(from);
    await ensurePublications(this.here, names, { service: move.service.name, from, tables });
    await ensureSlot(this.here, names.log, move.signal);
    await ensureSlot(this.here, names.stream, move.signal);
    await ensureSubscription(this.there, names.stream, move.urls[from]);
  }

  async start({ afterCopy = false }: StartOptions = {}): Promise<void> {
    if (afterCopy) await makeReplay(this.there, await this.move.tables(otherSide(this.from)));
    const subscription = await readSubscription(this.there, this.names.stream);
    if (!subscription) throw this.notCaptured();
    if (!subscription.enabled) await enableSubscription(this.there, this.names.stream);
  }

  async skipToNow(): Promise<void> {
    const { here, there, names, move } = this;
    const subscription = await readSubscription(there, names.stream);
    if (!subscription) throw this.notCaptured();
    if (subscription.enabled)
      throw new SplitError(
        'refused',
        `The stream from the ${this.from} of ${move.service.name} is at work.`,
        'Stop it first.',
      );
    await this.stop();
    const lsn = await flushedLsn(here);
    await advanceSlot(here, names.stream, lsn, move.signal);
    await advanceSlot(here, names.log, lsn, move.signal);
    // A server that crashes may find its slot where it was before. The other side also knows how far it is, and keeps that in its log.
    await advanceSubscription(there, names.stream, subscription, lsn, move.signal);
    await flushedLsn(there);
  }

  async lag(): Promise<Lag> {
    const { beats } = this;
    const { slot, subscription, intact } = await this.capturing();
    const lag = (seconds: number | null): Lag => ({
      seconds,
      pending: slot?.pending ?? 0,
      pendingUnit: 'bytes',
      lost: !intact,
    });
    if (!intact || !subscription?.enabled) return lag(null);
    const came = await this.awaitBeat(SOON_MS, this.move.signal).catch(timedOut);
    if (came !== undefined) return lag(0);
    // Everything up to the last beat that came is there; what came since is not counted.
    const last = await beats.arrived();
    return lag(last ? await beats.age(last.at) : null);
  }

  async catchUp(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.awaitBeat(timeoutMs, signal);
  }

  async stop(): Promise<void> {
    await disableSubscription(this.there, this.names.stream, this.move.signal);
    await waitUntilInactive(this.here, this.names.stream, this.move.signal);
  }

  async end(only?: Side): Promise<void> {
    if (only === undefined) await this.stop();
    if (only !== this.from) await this.endThere();
    if (only !== otherSide(this.from)) await this.endHere();
  }

  /** Whether nothing was missed since `capture`. */
  async isCapturing(): Promise<boolean> {
    return (await this.capturing()).intact;
  }

  private async capturing() {
    const { here, there, names } = this;
    const [slot, log, subscription] = await Promise.all([
      readSlot(here, names.stream),
      readSlot(here, names.log),
      readSubscription(there, names.stream),
    ]);
    const intact = [slot, log].every((one) => one?.ready && !one.lost) && subscription !== undefined;
    return { slot, subscription, intact };
  }

  private async endThere(): Promise<void> {
    const { there, names, move } = this;
    await disableSubscription(there, names.stream, move.signal);
    await dropSubscription(there, names.stream);
    await dropReplay(there, await readTables(there, move.service.tables));
    await this.beats.remove(there);
  }

  private async endHere(): Promise<void> {
    const { here, names, move } = this;
    for (const name of [names.stream, names.log]) await dropSlot(here, name, move.signal);
    await dropPublications(here, names);
    await this.beats.remove(here);
  }

  private async awaitBeat(timeoutMs: number, signal: AbortSignal): Promise<number> {
    const { here, there, names, beats } = this;
    const number = await beats.send();
    return waitUntil(async () => ((await beats.arrived())?.number ?? -1) >= number && number, {
      what: async () => {
        if ((await readSlot(here, names.stream))?.lost) throw lostSlot(names.stream);
        return `the other side to have what the ${this.from} has (${await subscriptionTrouble(there, names.stream)})`;
      },
      next: `Look at the log of the ${otherSide(this.from)}'s server, for subscription ${names.stream}.`,
      timeoutMs,
      signal,
      everyMs: 3,
    });
  }

  private async refuseWithoutDecoding(): Promise<void> {
    const { rows } = await this.here.query<{ level: string }>(`SELECT current_setting('wal_level') AS level`);
    if (rows[0]!.level !== 'logical')
      throw new SplitError(
        'refused',
        `The ${this.from}'s server has wal_level ${rows[0]!.level}: its changes cannot be followed.`,
        'Set wal_level = logical and restart it, or choose `strategy: dual-write` in the plan.',
      );
  }

  /** Now, and not in the pause of a switch, which is when the other stream is told from where to go on. */
  private async refuseWithoutAdvancing(): Promise<void> {
    const { rows } = await this.there.query<{ may: boolean; role: string; database: string }>(
      `SELECT has_function_privilege('pg_replication_origin_advance(text, pg_lsn)', 'EXECUTE') AS may,
         quote_ident(current_user) AS role, current_database() AS database`,
    );
    const { may, role, database } = rows[0]!;
    if (!may)
      throw new SplitError(
        'refused',
        `${role} may not say from where a stream to ${database} goes on: it lacks a right on a function.`,
        `In ${database}, as a superuser: GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO ${role}.`,
      );
  }

  private notCaptured(): SplitError {
    return new SplitError(
      'refused',
      `There is no subscription ${this.names.stream} yet, or not any more: nothing was captured.`,
      'Run `copy`: it follows anew, and makes the sides equal.',
    );
  }

  private get here() {
    return this.move.databases[this.from];
  }

  private get there() {
    return this.move.databases[otherSide(this.from)];
  }
}

function timedOut(error: unknown): undefined {
  if (!(error instanceof SplitError) || error.code !== 'timeout') throw error;
}
