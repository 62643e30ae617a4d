import { z } from 'zod';

export const MANIFEST = 'manifest.json';
export const FORMAT = 1;

const file = z.strictObject({
  /** In the directory of the backup itself. */
  name: z.string().regex(/^[\w.-]+$/),
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const table = z.strictObject({
  schema: z.string(),
  name: z.string(),
  /** What the files have, in this order. */
  columns: z.array(z.strictObject({ name: z.string(), type: z.string() })),
  key: z.array(z.string()),
  /** Of COPY. One after the other, unpacked, the files are what COPY gave. */
  format: z.enum(['binary', 'text']),
  files: z.array(file),
  rows: z.number().int().min(0),
  /** Unpacked. */
  bytes: z.number().int().min(0),
  /** Of all rows, whatever their order; see `contentHash`. */
  hash: z.string(),
});

const manifest = z.strictObject({
  kind: z.literal('gravitas-split-backup'),
  format: z.literal(FORMAT),
  plan: z.string(),
  services: z.array(z.string()),
  made_at: z.string(),
  source: z.strictObject({ system: z.string().nullable(), database: z.string(), server_version: z.string() }),
  /** All rows are as they were at this moment. */
  snapshot: z.strictObject({ lsn: z.string(), time: z.string() }),
  /** That row-level security's policies speak of: they must be there before a restore. */
  roles: z.array(z.string()),
  /** SQL: what tables need and themselves; then indexes, constraints, policies, triggers. */
  before: file,
  after: file,
  tables: z.array(table),
  /** Never behind the snapshot. */
  sequences: z.array(z.strictObject({ schema: z.string(), name: z.string(), last: z.string(), called: z.boolean() })),
});

export const manifestSchema = manifest;
export type Manifest = z.output<typeof manifest>;
export type BackupFile = z.output<typeof file>;
export type BackupTable = z.output<typeof table>;
