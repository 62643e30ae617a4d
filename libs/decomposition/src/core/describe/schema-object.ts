export type ObjectKind =
  | 'schema'
  | 'extension'
  | 'collation'
  | 'type'
  | 'sequence'
  | 'function'
  | 'table'
  | 'column'
  | 'partition'
  | 'partition column'
  | 'storage'
  | 'check'
  | 'primary key'
  | 'sequence owner'
  | 'row security'
  | 'policy'
  | 'replica identity'
  | 'comment'
  | 'unique'
  | 'exclusion'
  | 'index'
  | 'not null'
  | 'statistics'
  | 'foreign key'
  | 'validation'
  | 'trigger';

/** One thing of a schema, with the SQL that makes it. All names in it are complete: it means the same under any search_path. */
export interface SchemaObject {
  kind: ObjectKind;
  /** Full name of the table or partition it belongs to; empty for what stands alone. */
  table: string;
  name: string;
  /** What two sides must have alike; its own name is not in it where only the meaning counts. */
  text: string;
  /** Null for a column: the statement of its table makes it. */
  make: string | null;
  unmake: string | null;
  /** Made after the copy: it would slow it, or stand in the way of changes that come out of order. */
  deferred: boolean;
}

/** A table or partition. */
export interface Relation {
  oid: number;
  schema: string;
  name: string;
  /** Full name of the table in the plan. */
  root: string;
  /** 0 for the table itself. */
  level: number;
}

export interface Description {
  relations: readonly Relation[];
  /** In the order in which they can be made. */
  objects: readonly SchemaObject[];
  /** What cannot be made elsewhere, as sentences. */
  problems: readonly string[];
}

/** Kinds whose name means something; of others, such as indexes, only what they are. */
const NAMED: ReadonlySet<ObjectKind> = new Set<ObjectKind>([
  ...(['schema', 'extension', 'collation', 'type', 'sequence', 'function', 'table', 'column', 'partition'] as const),
  ...(['partition column', 'storage', 'sequence owner', 'policy', 'trigger', 'comment'] as const),
]);

/** Two objects with the same identity are the same thing on two sides. */
export function identityOf({ kind, table, name, text }: SchemaObject): string {
  return JSON.stringify([kind, table, NAMED.has(kind) ? name : '', text]);
}

/** For people: `index public.history (history_ghost_idx)`. */
export function labelOf({ kind, table, name }: Pick<SchemaObject, 'kind' | 'table' | 'name'>): string {
  return table === '' || table === name ? `${kind} ${name}` : `${kind} ${name} of ${table}`;
}
