import { setTimeout as sleep } from 'node:timers/promises';
import { type Move } from '../../move.js';
import { otherSide } from '../../side.js';
import { type CopyAid } from '../stream.js';
import { RekeyedRows } from './rekeyed-rows.js';
import { dropReplay } from './replay.js';
import { type ReplicationStream } from './replication-stream.js';
import { serverVersion } from './server.js';
import { readSlot } from './slots.js';

const LET_GO_MS = 30_000;
const ASK_AGAIN_MS = 200;

/** What copying asks of a stream beyond following. */
export class ReplicationCopyAid implements CopyAid {
  private readonly rekeyed: RekeyedRows;

  constructor(
    private readonly move: Move,
    private readonly stream: ReplicationStream,
  ) {
    const { from, changes } = stream;
    const catchUp = (timeoutMs: number): Promise<void> => stream.catchUp(timeoutMs, move.signal);
    this.rekeyed = new RekeyedRows({ move, from, log: changes, catchUp });
  }

  isIntact(): Promise<boolean> {
    return this.stream.isCapturing();
  }

  async kept(): Promise<{ pending: number; retained: number }> {
    const { stream, move } = this;
    const { names } = stream;
    const slots = await Promise.all(
      [names.stream, names.log].map((name) => readSlot(move.databases[stream.from], name)),
    );
    return {
      pending: Math.max(...slots.map((slot) => slot?.pending ?? 0)),
      retained: Math.max(...slots.map((slot) => slot?.retained ?? 0)),
    };
  }

  async workOff(timeoutMs: number, enough: number): Promise<void> {
    const { stream, move } = this;
    await stream.start({ afterCopy: true });
    await stream.catchUp(timeoutMs, move.signal);
    await this.rekeyed.note('all');
    await this.awaitLess(enough);
    await stream.stop();
  }

  async settle(timeoutMs: number): Promise<void> {
    const { stream, move } = this;
    await stream.catchUp(timeoutMs, move.signal);
    await this.rekeyed.settle(timeoutMs);
    await dropReplay(move.databases[otherSide(stream.from)], await move.tables(otherSide(stream.from)));
  }

  /** A slot lets go of the log at the next record of which transactions run; the server writes one every 15 s, or when it is asked to. */
  private async awaitLess(enough: number): Promise<void> {
    const { stream, move } = this;
    const here = move.databases[stream.from];
    const canAsk = (await serverVersion(here)) >= 160_000;
    const deadline = Date.now() + LET_GO_MS;
    while (Date.now() < deadline && (await this.kept()).retained > enough) {
      if (canAsk) await here.query('SELECT pg_log_standby_snapshot()');
      await stream.catchUp(LET_GO_MS, move.signal);
      await this.rekeyed.note('all');
      await sleep(ASK_AGAIN_MS);
    }
  }
}
