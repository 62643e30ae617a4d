/** A row as a statement returned it: `RETURNING <key> AS key, t::text AS row`. */
export interface Returned {
  key: string;
  row: string;
}

/** What writers know for certain: how each row of theirs was when they last heard of it. The judge of a move. */
export class Ledger {
  /** By table and key: the whole row as text; null when it was deleted. */
  readonly rows = new Map<string, Map<string, string | null>>();
  /** What no writer should have met. */
  readonly failures: string[] = [];
  writes = 0;
  reads = 0;
  /** Times that a table said that another side takes the writes. */
  refused = 0;

  note(table: string, { key, row }: Returned): void {
    this.of(table).set(key, row);
  }

  gone(table: string, key: string): void {
    this.of(table).set(key, null);
  }

  keys(table: string): string[] {
    return [...this.of(table).keys()];
  }

  private of(table: string): Map<string, string | null> {
    const known = this.rows.get(table);
    if (known) return known;
    const made = new Map<string, string | null>();
    this.rows.set(table, made);
    return made;
  }
}
