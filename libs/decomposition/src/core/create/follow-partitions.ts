import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { escapeIdentifier } from 'pg';
import { quoted, type Table } from '../catalogue/table.js';
import { compare } from '../describe/differences.js';
import { labelOf, type SchemaObject } from '../describe/schema-object.js';
import { fence } from '../fence/fence.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { otherSide, type Side } from '../side.js';
import { type MoveState } from '../state/move-state.js';
import { CLOSED } from '../switch/sides.js';
import { readDeferred } from './deferred-store.js';
import { describeSide } from './drift.js';
import { grantTables, tableGrants } from './rights.js';

const SETTLE_MS = 500;
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended('decomposition.partitions', 0))`;
const NAMES = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name FROM unnest($1::text[]) AS wanted (name)
  CROSS JOIN pg_partition_tree(wanted.name::regclass) tree JOIN pg_class c ON c.oid = tree.relid JOIN pg_namespace n ON n.oid = c.relnamespace`;

/**
 * Services make partitions as time goes by. Those that the side with the writes has got since the copy are made on the side that follows,
 * with what belongs to them, before their first rows come; closed like the rest. Does nothing before the copy, nor in a pause. Idempotent, and
 * several may do it at once.
 *
 * @returns labels of what was made
 * @throws what PostgreSQL throws, also when readers of the other side hold its tables for longer than a second
 */
export async function followPartitions(move: Move): Promise<string[]> {
  const state = await move.state.find();
  const from = state && resting(state);
  if (!from) return [];
  const to = otherSide(from);
  const tables = await move.tables(to);
  if (!(await lacks(move, from, tables))) return [];
  // Who makes one in several steps is at it, maybe.
  await sleep(SETTLE_MS, undefined, { signal: move.signal });
  const made = await inTransaction(move.databases[to], async (client) => {
    await client.query(`SET LOCAL search_path = pg_catalog; ${LOCK}; SET LOCAL lock_timeout = '1s'`);
    const wanted = await missing(move, from);
    for (const object of wanted) await make(client, object);
    return wanted.map(labelOf);
  });
  if (made.length === 0) return [];
  // Their rows are refused by then; this is for TRUNCATE.
  const dual = move.service.strategy === 'dual-write';
  await fence(move.databases[to], tables, { reason: CLOSED[to], dual });
  if (to === 'target' && move.service.schema === 'clone') await grantTables(move, await tableGrants(move));
  await move.state.journal('create', 'partitions', { side: to, made });
  return made;
}

/** The side that takes writes, when all is as it should be. */
function resting({ phase, writes }: MoveState): Side | undefined {
  if (phase === 'in_step' && writes === 'source') return 'source';
  return phase === 'switched' && writes === 'target' ? 'target' : undefined;
}

async function lacks({ databases }: Move, from: Side, tables: readonly Table[]): Promise<boolean> {
  const names = async (side: Side): Promise<string[]> =>
    (await databases[side].query<{ name: string }>(NAMES, [tables.map(quoted)])).rows.map(({ name }) => name);
  const there = new Set(await names(otherSide(from)));
  return (await names(from)).some((name) => !there.has(name));
}

async function missing(move: Move, from: Side): Promise<(SchemaObject & { root: string })[]> {
  const first = await describeSide(move, from);
  const second = await describeSide(move, otherSide(from), first);
  const late = from === 'source' ? (await readDeferred(move, 'target')).filter(({ present }) => !present) : [];
  const { missing: all } = compare(first, second, new Set(late.map(({ meaning }) => meaning)));
  const partitions = new Set(all.filter(({ kind }) => kind === 'partition').map(({ table }) => table));
  const roots = new Map(first.relations.map(({ schema, name, root }) => [`${schema}.${name}`, root]));
  return all
    .filter(({ table, make: sql }) => partitions.has(table) && sql)
    .map((object) => ({ ...object, root: roots.get(object.table)! }));
}

/** As property of whom the whole table belongs to. */
async function make(client: pg.ClientBase, object: SchemaObject & { root: string }): Promise<void> {
  const [schema, name] = object.root.split('.') as [string, string];
  const { rows } = await client.query<{ owner: string }>(
    'SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = $1::regclass',
    [quoted({ schema, name })],
  );
  await client.query(`SET LOCAL ROLE ${escapeIdentifier(rows[0]!.owner)}`);
  await client.query(object.make!);
  await client.query('RESET ROLE');
}
