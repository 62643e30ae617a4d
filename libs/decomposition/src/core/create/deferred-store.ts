import type pg from 'pg';
import { identityOf, type SchemaObject } from '../describe/schema-object.js';
import { type Move } from '../move.js';
import { type Side } from '../side.js';

/** Something that is made late, or taken away for a while. */
export interface Deferred {
  place: number;
  kind: SchemaObject['kind'];
  /** Full name. */
  table: string;
  name: string;
  /** Its identity; of a foreign key that is cut, `{from, to}`. */
  meaning: string;
  make: string;
  unmake: string;
  present: boolean;
}

export function deferredOf(object: SchemaObject, place: number, present: boolean): Deferred {
  const { kind, table, name, make, unmake } = object;
  return { place, kind, table, name, meaning: identityOf(object), make: make ?? '', unmake: unmake ?? '', present };
}

/** In the order in which they are made. */
export async function readDeferred(move: Move, side: Side): Promise<Deferred[]> {
  const { rows } = await move.databases.target.query<Deferred>(
    `SELECT place, kind, table_name AS table, name, meaning, make, unmake, present FROM decomposition.deferred
     WHERE service = $1 AND side = $2 ORDER BY place, table_name, name`,
    [move.service.name, side],
  );
  return rows;
}

/** Adds what is not known yet, and forgets what was not made and is not wanted any more. */
export async function recordDeferred(
  move: Move,
  side: Side,
  rows: readonly Deferred[],
  client: pg.ClientBase,
): Promise<void> {
  const { name: service } = move.service;
  await client.query(
    `DELETE FROM decomposition.deferred d WHERE service = $1 AND side = $2 AND side = 'target' AND NOT present
       AND NOT EXISTS (SELECT FROM jsonb_to_recordset($3) AS r ("table" text, name text) WHERE r.table = d.table_name AND r.name = d.name)`,
    [service, side, JSON.stringify(rows)],
  );
  await client.query(
    `INSERT INTO decomposition.deferred (service, side, place, kind, table_name, name, meaning, make, unmake, present)
     SELECT $1, $2, place, kind, "table", name, meaning, make, unmake, present FROM jsonb_to_recordset($3)
       AS r (place int, kind text, "table" text, name text, meaning text, make text, unmake text, present boolean)
     ON CONFLICT (service, side, table_name, name) DO UPDATE SET place = EXCLUDED.place, kind = EXCLUDED.kind,
       meaning = EXCLUDED.meaning, make = EXCLUDED.make, unmake = EXCLUDED.unmake, present = EXCLUDED.present WHERE NOT deferred.present`,
    [service, side, JSON.stringify(rows)],
  );
}

/** Says whether it is there now, in the transaction of `client` if that is one of the target. */
export async function markDeferred(
  move: Move,
  side: Side,
  { table, name }: Deferred,
  present: boolean,
  client: pg.ClientBase | pg.Pool = move.databases.target,
): Promise<void> {
  await client.query(
    'UPDATE decomposition.deferred SET present = $5 WHERE service = $1 AND side = $2 AND table_name = $3 AND name = $4',
    [move.service.name, side, table, name, present],
  );
}
