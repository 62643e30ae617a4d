import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { grantTo } from '#database';

/**
 * Transactions count from another number in each cluster. A trail that comes to another one, by a move or from a dump, must not have
 * events that seem older than those that the log has seen, or it would leave them out. So what is written down of transactions has a
 * number added to it, which is part of the schema: it stays behind when rows travel, and costs nothing when they are written.
 */
export class CountOnInAnotherCluster1764547200000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    for (const sql of FUNCTIONS) await queryRunner.query(sql);
    await queryRunner.query('REVOKE ALL ON FUNCTION audit_count_from(bigint) FROM PUBLIC');
    await grantTo(queryRunner, 'notary', 'EXECUTE', 'FUNCTION audit_count_from(bigint)');
    await queryRunner.query('ALTER TABLE audit_log ALTER COLUMN xid SET DEFAULT audit_xid()');
  }

  /** @throws Error where numbers have a base by now: without it new events would seem to be in the log already */
  async down(queryRunner: QueryRunner): Promise<void> {
    const [row] = (await queryRunner.query('SELECT audit_xid_base() > 0 AS counted')) as [{ counted: boolean }];
    if (row.counted)
      throw new Error(
        'the trail came from another cluster and counts on from there: this migration cannot be taken back',
      );
    await queryRunner.query('ALTER TABLE audit_log ALTER COLUMN xid SET DEFAULT pg_current_xact_id()');
    for (const name of ['audit_count_on()', 'audit_count_from(bigint)', 'audit_snapshot()', 'audit_xid()'])
      await queryRunner.query(`DROP FUNCTION ${name}`);
    await queryRunner.query('DROP FUNCTION audit_xid_base()');
  }
}

const FUNCTIONS = [
  // Replaced by audit_count_from. Whatever calls it is planned anew then.
  'CREATE FUNCTION audit_xid_base() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 0::bigint',

  // Not volatile, and without a query of its own: COPY still takes rows in by the thousand.
  `CREATE FUNCTION audit_xid() RETURNS xid8 LANGUAGE sql STABLE
   RETURN (pg_current_xact_id()::text::bigint + audit_xid_base())::text::xid8`,

  `CREATE FUNCTION audit_snapshot() RETURNS pg_snapshot LANGUAGE sql STABLE
   RETURN (
     SELECT concat_ws(':',
         pg_snapshot_xmin(now)::text::bigint + base,
         pg_snapshot_xmax(now)::text::bigint + base,
         coalesce((SELECT string_agg((xid::text::bigint + base)::text, ',' ORDER BY xid) FROM pg_snapshot_xip(now) AS xid), '')
       )::pg_snapshot
     FROM (SELECT pg_current_snapshot() AS now, audit_xid_base() AS base) AS one
   )`,

  // Whoever has the database's rows in another cluster may count on; nobody can make it count back.
  `CREATE FUNCTION audit_count_from(first bigint) RETURNS void
   LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
   DECLARE
     base bigint := first - pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
   BEGIN
     IF base > public.audit_xid_base() THEN
       EXECUTE format(
         'CREATE OR REPLACE FUNCTION public.audit_xid_base() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN %s::bigint',
         base);
     END IF;
   END $$`,

  // For the notary or a superuser: others do not see all rows. One at a time, and again as often as wanted.
  `CREATE FUNCTION audit_count_on() RETURNS boolean LANGUAGE plpgsql AS $$
   DECLARE
     next bigint;
   BEGIN
     PERFORM pg_advisory_xact_lock(5113270119);
     SELECT greatest(
         pg_snapshot_xmax(seen)::text::bigint,
         pg_snapshot_xmax(target)::text::bigint,
         (SELECT xid::text::bigint + 1 FROM audit_log ORDER BY xid DESC LIMIT 1))
       INTO next FROM tlog_sequencer;
     IF next <= pg_snapshot_xmax(audit_snapshot())::text::bigint THEN RETURN false; END IF;
     PERFORM audit_count_from(next);
     RETURN true;
   END $$`,
];
