import { createHash } from 'node:crypto';
import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { fullName, quoted, type Table } from '../../catalogue/table.js';

const TRIGGER = 'decomposition_replay';

/**
 * Makes rows that come by replay or by the tool's copying take the place of those with their key: the other side's older changes are
 * repeated onto rows that were read later, and where such a change would insert what is there already, or give a row a key that is
 * taken, the row that is in the way is the one to go. What the rest of the log says of it comes after.
 *
 * The triggers fire in `replica` sessions only. Each has a statement of its own, with the key written out, which is planned once; the
 * operators are named with their schema, because processes that apply changes have no search path.
 */
export async function makeReplay(pool: pg.Pool, tables: readonly Table[]): Promise<void> {
  const operators = await equalityOperators(pool, tables);
  for (const table of tables) {
    const name = `decomposition.${escapeIdentifier(`replay_${hash(table)}`)}`;
    const terms = table.key.map(({ name: column }, place) => {
      const id = escapeIdentifier(column);
      return { same: `t.${id} ${operators.get(fullName(table))![place]} NEW.${id}`, id };
    });
    const changed = terms.map(({ id }) => `OLD.${id} IS DISTINCT FROM NEW.${id}`).join(' OR ');
    const on = quoted(table);
    await pool.query(`
      CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $decomposition$
      BEGIN
        DELETE FROM ${on} t WHERE ${terms.map(({ same }) => same).join(' AND ')};
        RETURN NEW;
      END $decomposition$;
      CREATE OR REPLACE TRIGGER ${TRIGGER} BEFORE INSERT ON ${on} FOR EACH ROW EXECUTE FUNCTION ${name}();
      CREATE OR REPLACE TRIGGER ${TRIGGER}_key BEFORE UPDATE ON ${on} FOR EACH ROW WHEN (${changed}) EXECUTE FUNCTION ${name}();
      ALTER TABLE ${on} ENABLE REPLICA TRIGGER ${TRIGGER};
      ALTER TABLE ${on} ENABLE REPLICA TRIGGER ${TRIGGER}_key`);
  }
}

export async function dropReplay(pool: pg.Pool, tables: readonly Table[]): Promise<void> {
  const { rows } = await pool.query<{ oid: number }>(
    `SELECT tgrelid AS oid FROM pg_trigger WHERE tgrelid = ANY ($1::oid[]) AND starts_with(tgname, '${TRIGGER}')`,
    [tables.map(({ oid }) => oid)],
  );
  // Also what is not there would wait for readers, and everybody else behind it.
  for (const table of tables.filter(({ oid }) => rows.some((row) => row.oid === oid)))
    await pool.query(`
      DROP TRIGGER IF EXISTS ${TRIGGER} ON ${quoted(table)};
      DROP TRIGGER IF EXISTS ${TRIGGER}_key ON ${quoted(table)};
      DROP FUNCTION IF EXISTS decomposition.${escapeIdentifier(`replay_${hash(table)}`)}()`);
}

function hash(table: Table): string {
  return createHash('sha256').update(fullName(table)).digest('hex').slice(0, 16);
}

/** By full name, in the order of the key: what the primary key's index takes for equal. */
async function equalityOperators(pool: pg.Pool, tables: readonly Table[]): Promise<Map<string, string[]>> {
  const { rows } = await pool.query<{ name: string; operators: string[] }>(
    `SELECT w.name, array_agg(format('OPERATOR(%I.%s)', n.nspname, o.oprname) ORDER BY k.place) AS operators
     FROM unnest($1::oid[], $2::text[]) AS w (oid, name)
     JOIN pg_index i ON i.indrelid = w.oid AND i.indisprimary
     CROSS JOIN unnest(i.indclass::oid[]) WITH ORDINALITY AS k (opclass, place)
     JOIN pg_opclass c ON c.oid = k.opclass
     JOIN pg_amop a ON a.amopfamily = c.opcfamily AND a.amopstrategy = 3
       AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype
     JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
     WHERE k.place <= i.indnkeyatts
     GROUP BY w.name`,
    [tables.map(({ oid }) => oid), tables.map(fullName)],
  );
  return new Map(rows.map(({ name, operators }) => [name, operators]));
}
