import { escapeIdentifier } from 'pg';

export interface Column {
  name: string;
  /** As `format_type` has it, such as `timestamp with time zone` or `numeric(10,2)`. */
  type: string;
  notNull: boolean;
  /** Made by the table itself out of other columns: it cannot be written. */
  generated: boolean;
}

/** A table as it is in one database. */
export interface Table {
  schema: string;
  name: string;
  oid: number;
  partitioned: boolean;
  /** In the order of the table. */
  columns: readonly Column[];
  /** The columns of the primary key, in its order. */
  key: readonly Column[];
  /** As the planner guesses it, partitions together. */
  estimatedRows: number;
  /** With indexes and TOAST, partitions together. */
  bytes: number;
}

/** `public.history` */
export function fullName({ schema, name }: Pick<Table, 'schema' | 'name'>): string {
  return `${schema}.${name}`;
}

/** As SQL has it. */
export function quoted({ schema, name }: Pick<Table, 'schema' | 'name'>): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`;
}

/** Of a name in a plan: `history` is of schema public; `"History"` is one that SQL, too, would want in quotes. */
export function parseTableName(text: string): { schema: string; name: string } {
  const [first = '', second] = parts(text);
  return second === undefined ? { schema: 'public', name: first } : { schema: first, name: second };
}

/** Of a column in a plan: `history.id` or `schema.history.id`. */
export function parseColumnName(text: string): { schema: string; name: string; column: string } {
  const [first = '', second = '', third] = parts(text);
  return third === undefined
    ? { schema: 'public', name: first, column: second }
    : { schema: first, name: second, column: third };
}

function parts(text: string): string[] {
  return text.split('.').map((part) => (part.startsWith('"') ? part.slice(1, -1) : part));
}

/** What is copied and compared: all columns that can be written. */
export function writable(table: Table): readonly Column[] {
  return table.columns.filter(({ generated }) => !generated);
}
