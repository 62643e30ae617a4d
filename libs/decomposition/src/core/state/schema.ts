/**
 * What the tool keeps in each target database. Everything about one move is in one database, its target's, so that taking the
 * target's fence away and saying so is one transaction. Run again and again; tables are only ever added to.
 */
export const TARGET_SCHEMA = `
  CREATE SCHEMA IF NOT EXISTS decomposition;

  CREATE TABLE IF NOT EXISTS decomposition.moves (
    service        text        PRIMARY KEY,
    strategy       text        NOT NULL CHECK (strategy IN ('replication', 'dual-write')),
    phase          text        NOT NULL DEFAULT 'created'
                   CHECK (phase IN ('created', 'copying', 'in_step', 'switched', 'completed', 'abandoned')),
    writes         text        NOT NULL DEFAULT 'source' CHECK (writes IN ('source', 'paused', 'target')),
    paused_for     text        CHECK (paused_for IN ('switch', 'reverse')),
    read_percent   smallint    NOT NULL DEFAULT 0 CHECK (read_percent BETWEEN 0 AND 100),
    shadow_percent real        NOT NULL DEFAULT 0 CHECK (shadow_percent BETWEEN 0 AND 100),
    dual           boolean     NOT NULL DEFAULT false,
    epoch          bigint      NOT NULL DEFAULT 1,
    verified_at    timestamptz,
    drop_after     timestamptz,
    changed_at     timestamptz NOT NULL DEFAULT now(),
    CHECK ((writes = 'paused') = (paused_for IS NOT NULL)),
    CHECK (writes <> 'target' OR phase IN ('switched', 'completed')),
    CHECK (writes <> 'source' OR phase IN ('created', 'copying', 'in_step', 'abandoned'))
  );

  -- Who takes part. An instance that has not been heard of for a while is taken for gone.
  CREATE TABLE IF NOT EXISTS decomposition.instances (
    instance   text        PRIMARY KEY,
    service    text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    -- The last state it acts by.
    epoch      bigint      NOT NULL,
    -- No write of its own is under way or will begin until it hears of another epoch.
    paused     boolean     NOT NULL DEFAULT false,
    -- What it counted since it started.
    stats      jsonb       NOT NULL DEFAULT '{}'
  );

  -- What each verb did, step by step.
  CREATE TABLE IF NOT EXISTS decomposition.journal (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text        NOT NULL,
    verb    text        NOT NULL,
    step    text        NOT NULL,
    detail  jsonb       NOT NULL DEFAULT '{}',
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
  );

  -- Indexes and constraints that are made after the copy, and foreign keys of the source that the switch cuts.
  CREATE TABLE IF NOT EXISTS decomposition.deferred (
    service    text    NOT NULL,
    side       text    NOT NULL CHECK (side IN ('source', 'target')),
    place      integer NOT NULL,
    kind       text    NOT NULL,
    table_name text    NOT NULL,
    name       text    NOT NULL,
    -- What it is, whatever its name; of a foreign key that is cut, its two tables.
    meaning    text    NOT NULL DEFAULT '',
    -- Makes it, and takes it away.
    make       text    NOT NULL,
    unmake     text    NOT NULL,
    present    boolean NOT NULL,
    PRIMARY KEY (service, side, table_name, name)
  );

  -- Ranges of keys (low, high] of the copy. Keys are the texts of the key's columns; null is the end.
  CREATE TABLE IF NOT EXISTS decomposition.chunks (
    service    text        NOT NULL,
    table_name text        NOT NULL,
    place      integer     NOT NULL,
    low        text[],
    high       text[],
    rows       bigint,
    done_at    timestamptz,
    PRIMARY KEY (service, table_name, place)
  );

  -- Rows that got another key while they were copied: read again before the copy is done.
  CREATE TABLE IF NOT EXISTS decomposition.rekeyed (
    service    text   NOT NULL,
    table_name text   NOT NULL,
    key        text[] NOT NULL,
    -- The place in the log of the side that it came from up to which it is right; null when it is not.
    settled_at pg_lsn,
    PRIMARY KEY (service, table_name, key)
  );

  -- Ranges of keys (low, high] that were found equal; stale once something in them changed. The versions tell, on each side by
  -- itself, whether anything wrote to them since.
  CREATE TABLE IF NOT EXISTS decomposition.ranges (
    service     text        NOT NULL,
    table_name  text        NOT NULL,
    place       integer     NOT NULL,
    low         text[],
    high        text[],
    rows        bigint      NOT NULL,
    hash        text        NOT NULL,
    verified_at timestamptz NOT NULL,
    stale       boolean     NOT NULL DEFAULT false,
    source_versions text    NOT NULL,
    target_versions text    NOT NULL,
    PRIMARY KEY (service, table_name, place)
  );

  -- Moves whose following side has missed changes, and is not made equal again yet: it must not take the writes.
  CREATE TABLE IF NOT EXISTS decomposition.missed (
    service text        PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT now()
  );

  -- Where sequences were put. Behind that, numbers would come twice.
  CREATE TABLE IF NOT EXISTS decomposition.sequences (
    service  text        NOT NULL,
    side     text        NOT NULL CHECK (side IN ('source', 'target')),
    name     text        NOT NULL,
    -- The last number that was given out.
    position bigint      NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, side, name)
  );

  -- How far chains of rows were followed: what the next row has to name.
  CREATE TABLE IF NOT EXISTS decomposition.chain_positions (
    service   text NOT NULL,
    chain     text NOT NULL,
    -- The empty text where the chain has none.
    partition text NOT NULL,
    position  text NOT NULL,
    expected  text,
    -- How many rows that was, and their versions: whether anything has written to them since.
    rows      bigint  NOT NULL,
    versions  numeric NOT NULL,
    PRIMARY KEY (service, chain, partition)
  );

  CREATE TABLE IF NOT EXISTS decomposition.differences (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service     text        NOT NULL,
    table_name  text        NOT NULL,
    key         text[],
    kind        text        NOT NULL,
    detail      text        NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    repaired_at timestamptz
  );
`;

/** What the tool keeps on both sides: a row that is written here and waited for there. */
export const BEAT_SCHEMA = `
  CREATE SCHEMA IF NOT EXISTS decomposition;

  CREATE TABLE IF NOT EXISTS decomposition.beats (
    service text        NOT NULL,
    side    text        NOT NULL CHECK (side IN ('source', 'target')),
    number  bigint      NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (service, side)
  );
`;

/** Notified, with the service's name, when its row in `moves` changes. */
export const MOVES_CHANNEL = 'decomposition_moves';
