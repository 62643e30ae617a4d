import { type Progress } from '../../apps/gatekeeper/src/notary/core/index.js';
import { ProgressLine } from '../stack/progress-line.js';

const LINE_MS = 5000;

/** How far a verification is. */
export class ProgressBar {
  /** Events looked at. */
  events = 0;
  private before = 0;
  private tenant: string | undefined;
  private readonly line: ProgressLine;
  private readonly started = performance.now();

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.line = new ProgressLine(stream, LINE_MS);
  }

  readonly show = ({ tenant, leaves, size }: Progress): void => {
    if (tenant !== this.tenant) {
      this.before = this.events;
      this.tenant = tenant;
    }
    this.events = this.before + leaves;
    const share = size === 0 ? 1 : leaves / size;
    this.line.show(
      share,
      () => `${tenant}: ${leaves} of ${size} (${Math.floor(100 * share)} %), ${this.rate()} events/s`,
    );
  };

  /** Removes the bar. */
  end(): void {
    this.line.end();
  }

  seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Events a second, so far. */
  rate(): number {
    return Math.round(this.events / Math.max(this.seconds(), 0.001));
  }
}
