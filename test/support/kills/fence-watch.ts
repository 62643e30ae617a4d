import { setTimeout as sleep } from 'node:timers/promises';
import { Probe } from './probe.js';
import { type Shop } from './shop.js';

const EVERY_MS = 15;

/** Looks all the while whether both sides ever take writes for one table. */
export class FenceWatch {
  /** What was seen that must never be. */
  readonly sightings: string[] = [];
  /** How often both sides could be asked. */
  looks = 0;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(
    shop: Shop,
    private readonly doing: () => string,
  ) {
    this.running = this.run(new Probe(shop));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(probe: Probe): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const during = this.doing();
      const open = await probe.openOnBoth();
      if (open) this.looks += 1;
      if (open && open.length > 0) this.sightings.push(`${open.join(', ')} open on both sides: ${during}`);
      await sleep(EVERY_MS);
    }
    await probe.close();
  }
}
