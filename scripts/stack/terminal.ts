import { LEVEL_NAMES } from './log-line.js';

/** What the person who ran the command sees. Nothing here fails when the terminal has gone away. */
export class Terminal {
  private readonly plain = process.env['NO_COLOR'] !== undefined || !process.stdout.isTTY;

  constructor() {
    // A terminal that was closed must not take the shutdown down with it.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  complain(text: string): void {
    process.stderr.write(`${this.paint(text, 31)}\n`);
  }

  /** Runs one step and says how it went: `[1/3] PostgreSQL ... ready on port 15432 (0.5 s)`. */
  async step<T>(title: string, work: () => Promise<T>, result: (value: T) => string): Promise<T> {
    const started = performance.now();
    if (!this.plain) process.stdout.write(`${title} ...`);
    const prefix = this.plain ? `${title} ...` : '';
    try {
      const value = await work();
      this.say(`${prefix} ${result(value)} (${seconds(started)})`);
      return value;
    } catch (error) {
      this.say(`${prefix} failed (${seconds(started)})`);
      throw error;
    }
  }

  /** A line of a service's log, or news about it. */
  service(name: string, text: string, level?: number): void {
    const prefix = level === undefined ? '' : `${LEVEL_NAMES[level] ?? level} `;
    this.say(
      `${this.paint(name.padEnd(10), 36)} ${level !== undefined && level >= 50 ? this.paint(prefix + text, 31) : prefix + text}`,
    );
  }

  private paint(text: string, colour: number): string {
    return this.plain ? text : `\u001b[${colour}m${text}\u001b[0m`;
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
