/** A figure. `goal` is what it should be at least, or at most where less is better. */
export interface BenchResult {
  name: string;
  value: number;
  /** Of the value; `x` for a ratio. */
  unit: string;
  goal?: number;
  /** Default `more`. */
  better?: 'more' | 'less';
}

export interface BenchContext {
  /** A folder of this run alone, removed after it. PostgreSQL's user can enter it; a server whose data lies in it is stopped. */
  directory: string;
  /** Aborted when the user wants it to end: a bench looks at it between rounds. */
  stop: AbortSignal;
  /** A line for the one who waits. */
  progress: (line: string) => void;
}

export interface Bench {
  /** Of the command line and of the file with the results. */
  name: string;
  /** One line that says what is measured. */
  about: string;
  /** The figures, in the order in which they are shown. */
  run: (context: BenchContext) => Promise<BenchResult[]>;
}
