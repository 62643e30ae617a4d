/** An event that a logger has taken, as far as its caller knows. */
export interface Taken {
  readonly id: string;
  /** Which of the loggers that lived one after the other; from 0. */
  readonly life: number;
  readonly sequence: number;
  readonly timestamp: string;
  /** What its metadata say, to be found again in the sink. */
  readonly n: number;
  readonly text: string;
  readonly poison: boolean;
  /** Its caller was told that it is durable, or a close has said so: no crash may lose it. */
  acknowledged: boolean;
  /** Nobody was told that it is durable, and then its logger died: it may be gone. */
  mayBeLost: boolean;
}

/** All that an outsider knows about the loggers of one run. */
export class Model {
  readonly taken = new Map<string, Taken>();
  state: 'open' | 'closed' | 'crashed' = 'closed';
  sink: 'takes' | 'refuses' = 'takes';
  disk: 'takes' | 'refuses' = 'takes';
  /** The disk takes again, and the logger may not have noticed. */
  recovering = false;
  /** How often the disk has begun to refuse. */
  diskTroubles = 0;
  /** Lives of which luck has kept a later file and not an earlier one. */
  readonly torn = new Set<number>();
  /** Ends of loggers that may have torn a record. */
  tears = 0;
  /** Of the present logger. */
  sequence = 0;
  refused = 0;
  left = 0;
  /** No crash, no close before everything was delivered, no disk that refuses: nothing is left behind, nothing is set aside twice. */
  smooth = true;

  /** The sink and the disk work, so everything must come to its end soon. */
  get isHealthy(): boolean {
    return this.sink === 'takes' && this.disk === 'takes';
  }

  /** Whether a receipt of this moment may say that it is not durable. */
  get diskIsSuspect(): boolean {
    return this.disk === 'refuses' || this.recovering;
  }

  opened(left: number): void {
    this.state = 'open';
    this.sequence = 0;
    this.refused = 0;
    this.left = left;
    this.recovering = this.disk === 'refuses';
  }

  took(event: Omit<Taken, 'acknowledged'>): Taken {
    const taken = { ...event, acknowledged: false };
    this.taken.set(event.id, taken);
    this.sequence = event.sequence;
    return taken;
  }

  diskRefuses(): void {
    this.disk = 'refuses';
    this.diskTroubles++;
    this.smooth = false;
  }

  diskTakes(): void {
    if (this.disk === 'refuses') this.recovering = true;
    this.disk = 'takes';
  }

  /** Everything taken so far is in the sink, or in the spool of a logger that has closed in peace. */
  allSafe(): void {
    for (const taken of this.taken.values()) if (!taken.mayBeLost) taken.acknowledged = true;
  }

  /** @param torn whether it may have lost something that is not its last */
  crashed(life: number, torn: boolean): void {
    if (torn) this.torn.add(life);
    this.lose(life);
    this.state = 'crashed';
    this.smooth = false;
  }

  /** Neither the sink nor the disk took everything before the logger was closed. */
  closedInVain(life: number): void {
    this.lose(life);
    this.smooth = false;
  }

  /** The logger of this life is gone, and what nobody was told to be durable may be gone with it. */
  private lose(life: number): void {
    this.tears++;
    for (const taken of this.taken.values()) if (taken.life === life && !taken.acknowledged) taken.mayBeLost = true;
  }
}
