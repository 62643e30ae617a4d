/** Told how long things take, for histograms. Times are in seconds. */
export interface AuditMeter {
  /** The sink has taken a batch. */
  batch(events: number, seconds: number): void;
  /** The spool was forced to the disk. */
  fsync(seconds: number): void;
}
