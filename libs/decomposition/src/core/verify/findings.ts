import { type Move } from '../move.js';
import { MAX_LISTED, type Difference } from './verification.js';

/**
 * What a verification finds. The first finding takes the gate away at once, so that a run that is killed leaves nothing that is not
 * true; each is written down as it is found, in place of those of the run before.
 */
export class Findings {
  readonly listed: Difference[] = [];
  count = 0;
  private begun: Promise<void> | undefined;

  constructor(private readonly move: Move) {}

  /** How many more are worth describing. */
  get room(): number {
    return Math.max(0, MAX_LISTED - this.listed.length);
  }

  /** @param count with those that are not described */
  async add(described: readonly Difference[], count = described.length): Promise<void> {
    if (count === 0) return;
    this.count += count;
    const kept = described.slice(0, this.room);
    this.listed.push(...kept);
    await (this.begun ??= this.begin());
    if (kept.length === 0) return;
    await this.move.databases.target.query(
      `INSERT INTO decomposition.differences (service, table_name, key, kind, detail)
       SELECT $1, d.table, d.key, d.kind, d.detail
       FROM json_to_recordset($2) AS d ("table" text, key text[], kind text, detail text)`,
      [this.move.service.name, JSON.stringify(kept)],
    );
  }

  /** They are equal now. */
  async repaired(table: string, keys: readonly (readonly string[])[]): Promise<void> {
    if (keys.length === 0) return;
    this.count -= keys.length;
    const equal = new Set(keys.map((key) => JSON.stringify(key)));
    const left = this.listed.filter((one) => one.table !== table || !one.key || !equal.has(JSON.stringify(one.key)));
    this.listed.splice(0, this.listed.length, ...left);
    await this.move.databases.target.query(
      `UPDATE decomposition.differences d SET repaired_at = clock_timestamp()
       FROM json_to_recordset($3) AS r (key text[])
       WHERE d.service = $1 AND d.table_name = $2 AND d.key = r.key AND d.repaired_at IS NULL`,
      [this.move.service.name, table, JSON.stringify(keys.map((key) => ({ key })))],
    );
  }

  /** The gate opens when nothing was found. @param began when the verification did */
  async end(began: Date): Promise<void> {
    if (this.count > 0) return;
    await this.move.state.verified(began);
    await this.clear();
  }

  private async begin(): Promise<void> {
    await this.move.state.verified(null);
    await this.clear();
  }

  private async clear(): Promise<void> {
    await this.move.databases.target.query(
      'DELETE FROM decomposition.differences WHERE service = $1 AND repaired_at IS NULL',
      [this.move.service.name],
    );
  }
}
