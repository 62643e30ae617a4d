import { quoted } from '../catalogue/table.js';
import { compare, describeDifferences } from '../describe/differences.js';
import { type FullDescription } from '../describe/describe.js';
import { labelOf } from '../describe/schema-object.js';
import { SplitError } from '../errors.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { deferredOf, recordDeferred } from './deferred-store.js';
import { describeSide } from './drift.js';
import { makeObjects } from './make-objects.js';

/** What is made so again where it is otherwise. */
const SETTABLE = new Set([
  'function',
  'storage',
  'partition column',
  'sequence owner',
  'row security',
  'replica identity',
]);

/**
 * Makes on the target what the source's tables are made of, but for what is deferred: that is noted.
 *
 * @param isNew there is no move yet: tables that are there with rows are somebody else's
 * @returns labels of what was made
 */
export async function cloneSchema(move: Move, source: FullDescription, isNew: boolean): Promise<string[]> {
  const target = await describeSide(move, 'target', source);
  if (isNew) await refuseRows(move, target);
  const there = new Set(target.relations.map(({ schema, name }) => `${schema}.${name}`));
  const { missing, extra } = compare(source, target);
  const others = new Set(extra.map(labelOf));
  const wrong = missing.filter(
    (one) => (one.kind === 'column' && there.has(one.table)) || (!SETTABLE.has(one.kind) && others.has(labelOf(one))),
  );
  if (wrong.length > 0) {
    const lines = describeDifferences(
      { missing: wrong, extra: extra.filter((one) => wrong.some((each) => labelOf(each) === labelOf(one))) },
      ['source', 'target'],
    );
    throw new SplitError(
      'refused',
      `The target has something else under these names:\n${lines.map((line) => `  ${line}`).join('\n')}`,
      'Look whose they are; drop them, or name another database in the plan.',
    );
  }
  const deferred = source.objects
    .filter((object) => object.deferred)
    .map((object, place) => deferredOf(object, place, false));
  await inTransaction(move.databases.target, (client) => recordDeferred(move, 'target', deferred, client));
  const wanted = missing.filter((object) => !object.deferred && object.make);
  await makeObjects(move, wanted);
  return wanted.map(labelOf);
}

async function refuseRows(move: Move, { relations }: FullDescription): Promise<void> {
  for (const relation of relations.filter(({ level }) => level === 0)) {
    const { rowCount } = await move.databases.target.query(`SELECT FROM ${quoted(relation)} LIMIT 1`);
    if (rowCount)
      throw new SplitError(
        'refused',
        `Table ${relation.root} of the target has rows, and no move has put them there.`,
        'Look whose they are; empty or drop it, or name another database in the plan.',
      );
  }
}
