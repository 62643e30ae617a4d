import { type Move } from '../../move.js';
import { otherSide } from '../../side.js';
import { type CopyAid } from '../stream.js';
import { RekeyedRows } from './rekeyed-rows.js';
import { dropReplay } from './replay.js';
import { type ReplicationStream } from './replication-stream.js';
import { readSlot } from './slots.js';

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

  async workOff(timeoutMs: number): Promise<void> {
    const { stream, move } = this;
    await stream.start({ afterCopy: true });
    await stream.catchUp(timeoutMs, move.signal);
    await this.rekeyed.note('all');
    await stream.stop();
  }

  async settle(timeoutMs: number): Promise<void> {
    const { stream, move } = this;
    await stream.catchUp(timeoutMs, move.signal);
    await this.rekeyed.settle(timeoutMs);
    await dropReplay(move.databases[otherSide(stream.from)], await move.tables(otherSide(stream.from)));
  }
}
