import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo, quotedRole } from '#database';

const TABLES = ['tlog_trees', 'tlog_tiles', 'tlog_leaves', 'tlog_checkpoints'];

/**
 * A transparency log for each tenant. Events carry the hash of their leaf, made by who wrote them, and the transaction that brought
 * them: what is new since a snapshot can be told exactly, whatever commits meanwhile, and in the same order each time.
 */
export class KeepTransparencyLog1764201600000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    // The default is the same for all rows that are there: nothing is rewritten.
    await queryRunner.query(`
      ALTER TABLE audit_log
        ADD COLUMN leaf_hash bytea,
        ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()`);
    await queryRunner.query('CREATE INDEX audit_log_xid_idx ON audit_log (xid, timestamp, id)');

    await queryRunner.query(`
      CREATE TABLE tlog_trees (
        tenant_id    text        PRIMARY KEY,
        size         bigint      NOT NULL CHECK (size > 0),
        checkpoint   text        NOT NULL,
        sequenced_at timestamptz NOT NULL
      )`);
    // Up to 256 hashes of 32 bytes, every eighth level of the tree (C2SP tlog-tiles); the last of a level grows.
    await queryRunner.query(`
      CREATE TABLE tlog_tiles (
        tenant_id text     NOT NULL,
        level     smallint NOT NULL,
        index     bigint   NOT NULL,
        hashes    bytea    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192),
        PRIMARY KEY (tenant_id, level, index)
      )`);
    await queryRunner.query('ALTER TABLE tlog_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL');
    // Which events the leaves from `first` on are made of, and the transactions that brought them.
    await queryRunner.query(`
      CREATE TABLE tlog_leaves (
        tenant_id text          NOT NULL,
        first     bigint        NOT NULL,
        ids       uuid[]        NOT NULL,
        times     timestamptz[] NOT NULL,
        low_xid   bigint        NOT NULL,
        high_xid  bigint        NOT NULL,
        PRIMARY KEY (tenant_id, first),
        CHECK (cardinality(ids) BETWEEN 1 AND 1000 AND cardinality(times) = cardinality(ids))
      )`);
    await queryRunner.query('CREATE INDEX tlog_leaves_xid_idx ON tlog_leaves (tenant_id, high_xid, low_xid, first)');
    await queryRunner.query(`
      CREATE TABLE tlog_checkpoints (
        tenant_id text        NOT NULL,
        size      bigint      NOT NULL,
        note      text        NOT NULL,
        made_at   timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, size)
      )`);
    // Everything visible in `seen` is in a log. While `target` is not null, so is what is new in that, up to `after`.
    await queryRunner.query(`
      CREATE TABLE tlog_sequencer (
        single     boolean     PRIMARY KEY DEFAULT true CHECK (single),
        epoch      bigint      NOT NULL DEFAULT 0,
        key        text,
        seen       pg_snapshot NOT NULL,
        target     pg_snapshot,
        after_xid  xid8,
        after_time timestamptz,
        after_id   uuid,
        adopted    xid8        NOT NULL,
        CHECK ((target IS NULL) = (after_xid IS NULL))
      )`);
    await queryRunner.query(`INSERT INTO tlog_sequencer (seen, adopted) VALUES ('1:1:', pg_current_xact_id())`);

    const reader = await quotedRole(queryRunner, 'reader');
    for (const table of TABLES) {
      await queryRunner.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`);
      if (reader !== undefined)
        await queryRunner.query(`
          CREATE POLICY tenant ON ${table} FOR SELECT TO ${reader}
          USING (tenant_id = current_setting('gravitas.tenant', true))`);
    }
    await grantTo(queryRunner, 'reader', 'SELECT', ...TABLES);
    await grantTo(queryRunner, 'notary', 'SELECT, INSERT, UPDATE', 'tlog_trees', 'tlog_tiles');
    await grantTo(queryRunner, 'notary', 'SELECT, INSERT', 'tlog_leaves');
    await grantTo(queryRunner, 'notary', 'SELECT, INSERT, DELETE', 'tlog_checkpoints');
    await grantTo(queryRunner, 'notary', 'SELECT, UPDATE', 'tlog_sequencer');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['tlog_sequencer', ...TABLES]) await queryRunner.query(`DROP TABLE ${table}`);
    await queryRunner.query('DROP INDEX audit_log_xid_idx');
    await queryRunner.query('ALTER TABLE audit_log DROP COLUMN xid, DROP COLUMN leaf_hash');
  }
}
