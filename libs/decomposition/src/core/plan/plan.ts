import { z } from 'zod';

/** PostgreSQL's identifiers, without what would need quoting in a file that people write. */
const NAME = /^[a-z_][a-z0-9_]{0,62}$/;
const name = z.string().regex(NAME, `must match ${NAME.source}`);
/** As SQL has it: what is not all lower case stands in quotes. A name with a dot or a quote in it cannot be moved. */
const PART = '(?:[a-z_][a-z0-9_$]{0,62}|"[^".\\u0000-\\u001f]{1,63}")';
/** `table`, of schema public, or `schema.table`. */
const tableName = z
  .string()
  .regex(new RegExp(`^(?:${PART}\\.)?${PART}$`), 'must be table or schema.table; in quotes what is not all lower case');
/** `table.column` or `schema.table.column`. */
const columnName = z
  .string()
  .regex(new RegExp(`^(?:${PART}\\.){1,2}${PART}$`), 'must be table.column; in quotes what is not all lower case');
/** Of a table that is named beside it; as it is in the catalogue, without quotes. */
const column = z.string().regex(/^[^".\s]{1,63}$/, 'must be the name of a column');
const postgresUrl = z.string().refine((text) => /^postgres(?:ql)?:\/\//.test(text) && URL.canParse(text), {
  message: 'must be a URL such as postgres://user:password@host:5432/database',
});

/** Each row names the one before it: `previous` of a row is `hash` of the row before in the order of `order`, per `partition`. */
const linkChain = z.strictObject({
  kind: z.literal('links'),
  table: tableName,
  order: column,
  hash: column,
  previous: column,
  partition: column.optional(),
});

/** Rows that follow each other without a gap: the next one begins at `first` plus the length of the array `items`. */
const runChain = z.strictObject({
  kind: z.literal('runs'),
  table: tableName,
  first: column,
  items: column,
  partition: column.optional(),
});

const login = z.strictObject({
  name,
  /** The environment variable that holds its password. */
  password_env: z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'must be the name of an environment variable'),
  bypass_rls: z.boolean().default(false),
});

const service = z.strictObject({
  /** As an administrator, to the database that the service will own; made by `create` when it is not there. */
  target: postgresUrl,
  /**
   * - `clone`: the schema of the tables is read from the source's catalogue
   * - `migrations`: the service's own migrations make it (`npm run APP:migration:run`); `create` compares it with the source's
   */
  schema: z.enum(['clone', 'migrations']).default('clone'),
  /**
   * `call` names a function of the service without arguments, there on both sides. It is called on a side that has all rows of the other
   * one, before it takes the writes: as often as that is tried, and while they wait. Functions that it `replaces` may differ.
   */
  takeover: z.strictObject({ call: tableName, replaces: z.array(tableName).max(20).default([]) }).optional(),
  strategy: z.enum(['replication', 'dual-write']).default('replication'),
  owner: login,
  /** What the service runs as; further logins get the rights that they have on the source's tables. */
  runtime: login,
  further: z.array(login).max(8).default([]),
  tables: z.array(tableName).min(1).max(500),
  /** Tables that these refer to and that will live with another service. */
  external_refs: z.array(tableName).max(500).default([]),
  /** References without a foreign key, that `verify` checks: `from` a column here `to` a column anywhere in the plan. */
  references: z
    .array(z.strictObject({ from: columnName, to: columnName }))
    .max(500)
    .default([]),
  chains: z
    .array(z.discriminatedUnion('kind', [linkChain, runChain]))
    .max(50)
    .default([]),
});

const percent = z.number().min(0).max(100);
/** Each is a trigger of `watch`; two windows in a row over it fire. `null` turns one off. */
const watch = z
  .strictObject({
    window_ms: z.number().int().min(100).max(600_000).default(4000),
    error_rate_percent: percent.nullable().default(3),
    p95_ms: z.number().positive().nullable().default(1000),
    shadow_consistency_percent: percent.nullable().default(99.9),
    lag_s: z.number().positive().nullable().default(5),
    pool_use_percent: percent.nullable().default(80),
    action: z.enum(['reverse', 'alert']).default('reverse'),
    /** A trigger that has fired does not fire again for so long. */
    cooldown_ms: z.number().int().min(0).max(86_400_000).default(60_000),
  })
  .prefault({});

const copy = z
  .strictObject({
    chunk_rows: z.number().int().min(1).max(10_000_000).default(50_000),
    workers: z.number().int().min(1).max(64).default(2),
    /** The source is given a rest while more of its sessions than this are busy. */
    max_active_sessions: z.number().int().min(1).max(10_000).default(64),
    /** And while it keeps more WAL than this for the move. Bytes. */
    max_retained_wal: z
      .number()
      .int()
      .min(1)
      .default(16 * 1024 ** 3),
  })
  .prefault({});

export const planSchema = z.strictObject({
  name,
  /** As an administrator, to the shared database. Must also be reachable from the targets' servers under this host. */
  source: postgresUrl,
  /** Tables of the source that stay where they are. All others must be claimed by a service. */
  stay: z.array(tableName).max(500).default([]),
  copy,
  watch,
  services: z.record(name, service).refine((all) => Object.keys(all).length > 0, 'must name a service'),
});

export type PlanFile = z.output<typeof planSchema>;
export type Login = z.output<typeof login>;
export type Chain = z.output<typeof service>['chains'][number];
export type Reference = z.output<typeof service>['references'][number];
export type Strategy = z.output<typeof service>['strategy'];
export type CopySettings = z.output<typeof copy>;
export type WatchSettings = z.output<typeof watch>;

export interface ServicePlan extends z.output<typeof service> {
  name: string;
}

export interface Plan extends Omit<PlanFile, 'services'> {
  /** In the order of the file. */
  services: readonly ServicePlan[];
}
