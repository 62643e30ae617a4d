import { createHash } from 'node:crypto';
import {
  leafHash,
  NoteSigner,
  signCheckpoint,
  tilePath,
  TreeEdge,
  type Hash,
  type LogLeaf,
  type LogSource,
  type Tile,
} from '#tlog';
import { entry } from './trees.js';

export const TENANT = 'default';
export const signerOf = (name: string, key = 'log'): NoteSigner =>
  new NoteSigner(`gravitas.example/audit/${name}`, createHash('sha256').update(key).digest());

/** A log in memory, of which a test may change whatever it likes. */
export class KeptLog implements LogSource {
  readonly signer = signerOf(TENANT);
  leafList: LogLeaf[] = [];
  readonly tiles = new Map<string, Uint8Array>();
  notes: string[] = [];
  strays: string[] = [];
  sealNotes: string[] = [];
  /** The most leaves that are handed out at a time. */
  batch = 100;

  /** @param steps the log's sizes for which it has signed a checkpoint */
  constructor(readonly steps: readonly number[]) {
    const edge = new TreeEdge();
    for (const size of steps) {
      for (let index = edge.size; index < size; index++) {
        const hash = leafHash(entry(index));
        this.leafList.push({ index, hash, entry: entry(index) });
        edge.append(hash);
      }
      for (const tile of edge.takeChanged()) this.tiles.set(this.place(tile), Buffer.from(tile.bytes));
      this.notes.push(this.sign(size, edge.root()));
    }
  }

  sign(size: number, root: Hash, signer = this.signer): string {
    return signCheckpoint({ size, root }, signer);
  }

  leaf(index: number, change: Partial<LogLeaf>): void {
    this.leafList[index] = { ...this.leafList[index]!, ...change };
  }

  tile(level: number, index: number): Uint8Array {
    return this.tiles.get(this.place({ level, index, width: 256 }))!;
  }

  dropTile(level: number, index: number): void {
    this.tiles.delete(this.place({ level, index, width: 256 }));
  }

  async latest(): Promise<string | null> {
    return this.notes.at(-1) ?? null;
  }

  async *checkpoints(): AsyncGenerator<string> {
    yield* this.notes;
  }

  async *leaves(): AsyncGenerator<readonly LogLeaf[]> {
    for (let at = 0; at < this.leafList.length; at += this.batch) yield this.leafList.slice(at, at + this.batch);
  }

  async readTile(tile: Tile): Promise<Uint8Array | undefined> {
    return this.tiles.get(this.place(tile));
  }

  async *seals(): AsyncGenerator<string> {
    yield* this.sealNotes;
  }

  async *unlogged(): AsyncGenerator<string> {
    yield* this.strays;
  }

  /** The widest tile of a place takes the place of narrower ones. */
  private place(tile: Tile): string {
    return tilePath({ ...tile, width: 256 });
  }
}
