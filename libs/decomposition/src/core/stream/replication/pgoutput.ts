/** A row's key, before and after. */
export interface RowChange {
  kind: 'insert' | 'update' | 'delete';
  relation: Relation;
  /** Of an update that changed it, and of a delete. By column of the relation; null where it is not told. */
  old: readonly (string | null)[] | undefined;
  /** `undefined` within: a value that did not change and is kept elsewhere. */
  new: readonly (string | null | undefined)[] | undefined;
}

export interface Truncation {
  kind: 'truncate';
  relations: readonly Relation[];
}

export interface Relation {
  schema: string;
  name: string;
  columns: readonly string[];
}

/**
 * Understands what the plugin `pgoutput` says in version 1 of its protocol, as far as it tells which rows changed.
 * Source: PostgreSQL documentation, "Logical Replication Message Formats".
 */
export class PgoutputDecoder {
  private readonly relations = new Map<number, Relation>();

  /** @returns undefined for a message that is not about rows. @throws Error for one that cannot be understood */
  decode(message: Buffer): RowChange | Truncation | undefined {
    const reader = new Reader(message);
    const kind = reader.character();
    switch (kind) {
      case 'R':
        this.relations.set(reader.int32(), readRelation(reader));
        return undefined;
      case 'I': {
        const relation = this.relation(reader.int32());
        reader.expect('N');
        return { kind: 'insert', relation, old: undefined, new: reader.tuple() };
      }
      case 'U': {
        const relation = this.relation(reader.int32());
        const part = reader.character();
        const old = part === 'N' ? undefined : known(reader.tuple());
        if (old) reader.expect('N');
        return { kind: 'update', relation, old, new: reader.tuple() };
      }
      case 'D': {
        const relation = this.relation(reader.int32());
        reader.character();
        return { kind: 'delete', relation, old: known(reader.tuple()), new: undefined };
      }
      case 'T': {
        const count = reader.int32();
        reader.skip(1);
        return { kind: 'truncate', relations: Array.from({ length: count }, () => this.relation(reader.int32())) };
      }
      // Begin, commit, origin, type, and messages of others.
      case 'B':
      case 'C':
      case 'O':
      case 'Y':
      case 'M':
        return undefined;
      default:
        throw new Error(`pgoutput said "${kind}", which is not known`);
    }
  }

  private relation(id: number): Relation {
    const relation = this.relations.get(id);
    if (!relation) throw new Error(`pgoutput speaks of relation ${id}, which it has not described`);
    return relation;
  }
}

function readRelation(reader: Reader): Relation {
  const schema = reader.text() || 'pg_catalog';
  const name = reader.text();
  reader.skip(1);
  const columns = Array.from({ length: reader.int16() }, () => {
    reader.skip(1);
    const column = reader.text();
    reader.skip(8);
    return column;
  });
  return { schema, name, columns };
}

function known(tuple: readonly (string | null | undefined)[]): (string | null)[] {
  return tuple.map((value) => value ?? null);
}

class Reader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  character(): string {
    return String.fromCharCode(this.bytes.readUInt8(this.at++));
  }

  expect(wanted: string): void {
    const found = this.character();
    if (found !== wanted) throw new Error(`pgoutput said "${found}" where "${wanted}" belongs`);
  }

  int16(): number {
    this.at += 2;
    return this.bytes.readInt16BE(this.at - 2);
  }

  /** Object ids are not negative. */
  int32(): number {
    this.at += 4;
    return this.bytes.readUInt32BE(this.at - 4);
  }

  skip(bytes: number): void {
    this.at += bytes;
  }

  text(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new Error('pgoutput left a name without an end');
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return text;
  }

  tuple(): (string | null | undefined)[] {
    return Array.from({ length: this.int16() }, () => {
      const kind = this.character();
      if (kind === 'n') return null;
      if (kind === 'u') return undefined;
      if (kind !== 't') throw new Error(`pgoutput gave a value as "${kind}", which was not asked for`);
      const length = this.int32();
      this.at += length;
      return this.bytes.toString('utf8', this.at - length, this.at);
    });
  }
}
