/**
 * What the strategy `dual-write` keeps on both sides. Rows belong to one stream: `service`, and `from_side`, the side that it follows.
 * On that side `changes` has the keys of all rows that were written; on the other those that halves of dual writes touched.
 */
export const LOG_SCHEMA = `
  CREATE SCHEMA IF NOT EXISTS decomposition;

  -- Keys that have to be made equal yet. Read in the order of xid and id, but never "after the last one": see Reconciler.
  CREATE TABLE IF NOT EXISTS decomposition.changes (
    service    text        NOT NULL,
    from_side  text        NOT NULL CHECK (from_side IN ('source', 'target')),
    xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    table_name text        NOT NULL,
    -- The texts of the key's columns; empty stands for every row (TRUNCATE).
    key        text[]      NOT NULL,
    -- Of a half: the transaction on the other side that is the other half.
    half_of    xid8,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (service, from_side, xid, id)
  );

  -- Keys that were made equal, until a reader of changes has dealt with them. The digest is of the key, which may be long.
  CREATE TABLE IF NOT EXISTS decomposition.changed_keys (
    service    text NOT NULL,
    from_side  text NOT NULL,
    table_name text NOT NULL,
    digest     text NOT NULL,
    key        text[] NOT NULL,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (service, from_side, table_name, digest)
  );

  -- On the side that is followed: whether anything is to be applied.
  CREATE TABLE IF NOT EXISTS decomposition.dual_streams (
    service   text    NOT NULL,
    from_side text    NOT NULL,
    running   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (service, from_side)
  );
`;

/** Gone with the last stream. */
export const DROP_LOG_SCHEMA =
  'DROP TABLE IF EXISTS decomposition.changes, decomposition.changed_keys, decomposition.dual_streams';

/** Of the session of whoever writes the half of a dual write: `on`, as the fence wants it. */
export const DUAL_SETTING = 'decomposition.dual';
/** Of the same session: the transaction on the authoritative side, as `pg_current_xact_id()` has it. */
export const HALF_OF_SETTING = 'decomposition.half_of';
