import { fullName, type Table } from '../../catalogue/table.js';
import { PgoutputDecoder, type Relation, type RowChange } from './pgoutput.js';

export type Key = readonly string[];

/** `lsn`: where in the log it stands. */
export type KeyChange = { table: string; lsn: string } &
  /** `old` is there when the row had another key before. */
  ({ kind: 'row'; key: Key; old?: Key } | { kind: 'all' });

/** As `pg_logical_slot_peek_binary_changes` gives it. */
export interface Message {
  lsn: string;
  data: Buffer;
}

/** Tells whose keys changed, of the tables that are moved. One for each reading from the beginning of a slot. */
export class KeyChanges {
  private readonly decoder = new PgoutputDecoder();
  private readonly keyOf: ReadonlyMap<string, readonly string[]>;

  constructor(tables: readonly Table[]) {
    this.keyOf = new Map(tables.map((table) => [fullName(table), table.key.map(({ name }) => name)]));
  }

  of({ lsn, data }: Message): KeyChange[] {
    const change = this.decoder.decode(data);
    if (!change) return [];
    if (change.kind === 'truncate')
      return change.relations
        .map(fullName)
        .filter((table) => this.keyOf.has(table))
        .map((table) => ({ kind: 'all', table, lsn }));
    return this.row(change, lsn);
  }

  private row({ relation, old: oldValues, new: newValues }: RowChange, lsn: string): KeyChange[] {
    const table = fullName(relation);
    const columns = this.keyOf.get(table);
    if (!columns) return [];
    const places = columns.map((column) => placeOf(relation, column));
    const old = oldValues && places.map((place) => oldValues[place] ?? '');
    if (!newValues) return [{ kind: 'row', table, lsn, key: old! }];
    // A long value that did not change is told with the old key only.
    const key = places.map((place, at) => newValues[place] ?? old?.[at] ?? '');
    const isNew = old?.some((text, at) => text !== key[at]) ?? false;
    return [{ kind: 'row', table, lsn, key, ...(isNew && { old: old! }) }];
  }
}

function placeOf({ columns, ...relation }: Relation, column: string): number {
  const place = columns.indexOf(column);
  if (place < 0) throw new Error(`the log of ${fullName(relation)} does not tell ${column}`);
  return place;
}
