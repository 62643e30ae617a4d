import { type MigrationInterface, type QueryRunner } from 'typeorm';

const TABLES = ['certificates', 'signing_keys', 'agent_badges'];

/**
 * Whoever changes what instances keep in memory, by whatever way, gives them a hint in the same transaction; it is sent at the commit.
 * The hint says nothing but that there is something to read.
 */
export class HintAtChanges1763856000001 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE FUNCTION guardian_hint() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_catalog.pg_notify('guardian_changes', '');
        RETURN NULL;
      END $$`);
    for (const table of TABLES)
      await queryRunner.query(`
        CREATE TRIGGER ${table}_hint AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION guardian_hint()`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of TABLES) await queryRunner.query(`DROP TRIGGER ${table}_hint ON ${table}`);
    await queryRunner.query(`DROP FUNCTION guardian_hint()`);
  }
}
