const BAR = 30;
const BAR_MS = 100;

/** A bar on a terminal, a line now and then otherwise. On stderr: what is found goes to stdout. */
export class ProgressLine {
  private last: number;

  /** @param lineMs between two lines, where there is no terminal */
  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly lineMs: number,
  ) {
    this.last = Date.now();
  }

  /** @param share 0 to 1. @param text is asked for when it is due only */
  show(share: number, text: () => string): void {
    const { isTTY } = this.stream;
    if (Date.now() - this.last < (isTTY ? BAR_MS : this.lineMs)) return;
    this.last = Date.now();
    const done = Math.round(BAR * Math.min(Math.max(share, 0), 1));
    this.stream.write(isTTY ? `\r\u001b[2K[${'#'.repeat(done).padEnd(BAR, '.')}] ${text()}` : `${text()}\n`);
  }

  /** Removes the bar. */
  end(): void {
    if (this.stream.isTTY) this.stream.write('\r\u001b[2K');
  }
}
