import { quoted } from '../catalogue/table.js';
import { compare, describeDifferences } from '../describe/differences.js';
import { type FullDescription } from '../describe/describe.js';
import { identityOf, labelOf, type SchemaObject } from '../describe/schema-object.js';
import { SplitError } from '../errors.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { closeTarget } from './close-target.js';
import { deferredOf, readDeferred, recordDeferred } from './deferred-store.js';
import { dropDeferred } from './deferred.js';
import { describeSide } from './drift.js';
import { makeObjects } from './make-objects.js';

interface Migrated {
  made: string[];
  removedRows: number;
}

/**
 * Lets the service's migrations make the tables, compares them with the source's, makes partitions that are missing, and takes away what
 * is deferred, so that the copy is quick and changes may come in any order. As long as nothing was copied, rows that the migrations
 * wrote are removed: they are among the source's.
 *
 * @throws SplitError `refused` with all differences
 */
export async function migrateSchema(
  move: Move,
  source: FullDescription,
  migrate: () => Promise<void>,
): Promise<Migrated> {
  const untouched = await nothingCopied(move);
  if (untouched) {
    await migrate();
    move.progress.note(`${move.service.name}: migrations have run`);
    await closeTarget(move);
  }
  const made = await makePartitions(move, source);
  await deferWhatIsThere(move, source);
  move.progress.note(`${move.service.name}: what is deferred is noted`);
  if (untouched) await dropDeferred(move, 'target');
  return { made, removedRows: untouched ? await removeRows(move) : 0 };
}

/** Partitions of the source that the target lacks, with what belongs to them. @throws SplitError `refused` for any other difference */
async function makePartitions(move: Move, source: FullDescription): Promise<string[]> {
  const target = await describeSide(move, 'target', source);
  const known = new Set(
    (await readDeferred(move, 'target')).filter(({ present }) => !present).map(({ meaning }) => meaning),
  );
  const { missing, extra } = compare(source, target, known);
  const partitions = new Set(missing.filter(({ kind }) => kind === 'partition').map(({ table }) => table));
  const wrong = missing.filter(({ table }) => !partitions.has(table));
  const lines = describeDifferences({ missing: wrong, extra }, ['source', 'target']);
  if (lines.length > 0)
    throw new SplitError(
      'refused',
      `The migrations of ${move.service.name} make other tables than the source has:\n${lines.map((line) => `  ${line}`).join('\n')}`,
      'Bring the source to the same migration, or set `schema: clone` in the plan.',
    );
  const wanted = missing.filter(({ table, deferred, make }) => partitions.has(table) && !deferred && make);
  await makeObjects(move, wanted);
  return wanted.map(labelOf);
}

/** As the target has it; what only partitions of the source have is to be made later, too. */
async function deferWhatIsThere(move: Move, source: FullDescription): Promise<void> {
  const target = await describeSide(move, 'target', source);
  const before = await readDeferred(move, 'target');
  const there = new Set(target.objects.map(identityOf));
  const names = new Map(before.map((row) => [row.meaning, row]));
  const isDeferred = ({ deferred }: SchemaObject): boolean => deferred;
  const all = [
    ...target.objects.filter(isDeferred),
    ...source.objects.filter((object) => object.deferred && !there.has(identityOf(object))),
  ];
  const order = new Map(source.objects.map((object, place) => [identityOf(object), place]));
  const rows = all.map((object) => {
    const meaning = identityOf(object);
    const row = deferredOf(object, order.get(meaning) ?? order.size, there.has(meaning));
    // Taken away by an earlier run, it keeps the name that the migrations gave it.
    const known = names.get(meaning);
    return known && !row.present ? { ...known, place: row.place } : row;
  });
  await inTransaction(move.databases.target, (client) => recordDeferred(move, 'target', rows, client));
}

async function nothingCopied(move: Move): Promise<boolean> {
  const state = await move.state.find();
  if (state && state.phase !== 'created') return false;
  const { rowCount } = await move.databases.target.query(
    'SELECT FROM decomposition.chunks WHERE service = $1 LIMIT 1',
    [move.service.name],
  );
  return !rowCount;
}

async function removeRows(move: Move): Promise<number> {
  const tables = await move.tables('target');
  return inTransaction(move.databases.target, async (client) => {
    // The fence lets the tool pass, and foreign keys of other tables do not matter to rows that the copy brings back.
    await client.query('SET LOCAL session_replication_role = replica');
    let removed = 0;
    for (const table of tables) removed += (await client.query(`DELETE FROM ${quoted(table)}`)).rowCount ?? 0;
    return removed;
  });
}
