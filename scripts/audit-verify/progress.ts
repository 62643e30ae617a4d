import { type Progress } from '../../apps/gatekeeper/src/notary/core/index.js';

const BAR = 30;
const BAR_MS = 100;
const LINE_MS = 5000;

/** A bar on a terminal, a line now and then otherwise. On stderr: what is found goes to stdout. */
export class ProgressBar {
  /** Events looked at. */
  events = 0;
  private before = 0;
  private tenant: string | undefined;
  private last = Date.now();
  private readonly started = performance.now();

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {}

  readonly show = ({ tenant, leaves, size }: Progress): void => {
    if (tenant !== this.tenant) {
      this.before = this.events;
      this.tenant = tenant;
    }
    this.events = this.before + leaves;
    const { isTTY } = this.stream;
    if (Date.now() - this.last < (isTTY ? BAR_MS : LINE_MS)) return;
    this.last = Date.now();
    const share = size === 0 ? 1 : leaves / size;
    const text = `${tenant}: ${leaves} of ${size} (${Math.floor(100 * share)} %), ${this.rate()} events/s`;
    const done = Math.round(BAR * share);
    this.stream.write(isTTY ? `\r\u001b[2K[${'#'.repeat(done).padEnd(BAR, '.')}] ${text}` : `${text}\n`);
  };

  /** Removes the bar. */
  end(): void {
    if (this.stream.isTTY) this.stream.write('\r\u001b[2K');
  }

  seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Events a second, so far. */
  rate(): number {
    return Math.round(this.events / Math.max(this.seconds(), 0.001));
  }
}
