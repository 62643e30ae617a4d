import { type Progress } from '#decomposition';
import { ProgressLine } from '../stack/progress-line.js';

const LINE_MS = 1000;

/** On stderr: a bar on a terminal, at most a line a second otherwise. Notes are always printed. */
export class TerminalProgress implements Progress {
  private readonly line: ProgressLine;
  private step = '';
  private begin = { at: 0, done: 0 };

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {
    this.line = new ProgressLine(stream, LINE_MS);
  }

  note(text: string): void {
    this.line.end();
    this.stream.write(`${text}\n`);
  }

  at(step: string, done: number, total: number, unit: string): void {
    if (step !== this.step) {
      this.step = step;
      this.begin = { at: performance.now(), done };
    }
    const share = total > 0 ? done / total : 1;
    const rate = (1000 * (done - this.begin.done)) / Math.max(performance.now() - this.begin.at, 1);
    // Of what has only just begun there is none.
    const speed = done > this.begin.done ? `, ${Math.round(rate)} ${unit}/s` : '';
    this.line.show(share, () => `${step}: ${done} of ${total} ${unit} (${Math.floor(100 * share)} %)${speed}`);
  }

  end(): void {
    this.line.end();
  }
}
