/** Where a verb says what it is at; the command line draws it, tests collect it. */
export interface Progress {
  /** One sentence, once. */
  note(text: string): void;
  /** How far a long step is; `total` may grow. `unit` such as `rows`. */
  at(step: string, done: number, total: number, unit: string): void;
}

export const SILENT: Progress = { note: () => undefined, at: () => undefined };
