import { type ForeignKey } from '../catalogue/foreign-keys.js';
import { compare } from '../describe/differences.js';
import { type FullDescription } from '../describe/describe.js';
import { labelOf } from '../describe/schema-object.js';
import { SplitError } from '../errors.js';
import { prepareFence } from '../fence/fence.js';
import { inTransaction } from '../in-transaction.js';
import { type Move } from '../move.js';
import { type Login } from '../plan/plan.js';
import { type Phase } from '../state/move-state.js';
import { BEAT_SCHEMA, TARGET_SCHEMA } from '../state/schema.js';
import { withTurn } from '../turn.js';
import { cloneSchema } from './clone-schema.js';
import { closeTarget } from './close-target.js';
import { cutForeignKeys, cutRows } from './cut-foreign-keys.js';
import { readDeferred, recordDeferred } from './deferred-store.js';
import { describeSide, driftOf } from './drift.js';
import { followPartitions } from './follow-partitions.js';
import { migrateSchema } from './migrate-schema.js';
import { checkApart, provisionTarget, targetDatabase } from './provision-target.js';
import { grantTables, grantTakingPart, tableGrants } from './rights.js';

export interface CreateOptions {
  passwords: (login: Login) => string;
  /** Brings the database of the URL, as its owner, to the service's latest schema. Needed where the plan says `schema: migrations`. */
  migrate?: (url: string) => Promise<void>;
  /** Says what would be made, and makes nothing. */
  dryRun?: boolean;
}

export interface CreateReport {
  service: string;
  database: string;
  phase: Phase;
  dryRun: boolean;
  /** What was made by this run, or would be: `table public.history`. Nothing on a second run. */
  made: readonly string[];
  /** What is made after the copy. */
  deferred: readonly string[];
  /** Foreign keys that will not be on the target. */
  cut: readonly ForeignKey[];
  /** Rows that migrations had put into the moved tables of the target. */
  removedRows: number;
}

/**
 * Makes a service's database: itself and its logins, the moved tables, empty and closed to writes, and what the tool keeps about the
 * move. May be interrupted at any point, and run again at any time: it makes what is missing, such as partitions that the source has
 * got since. It never touches rows once anything was copied. Once the service writes to the target only partitions are made, on the source.
 *
 * @throws SplitError `refused` with what differs or what PostgreSQL said, `invalid_plan`, `busy`, `interrupted`, `timeout`
 */
export async function create(move: Move, options: CreateOptions): Promise<CreateReport> {
  if (move.service.schema === 'migrations' && !options.migrate)
    throw new SplitError(
      'refused',
      `${move.service.name} is made by its migrations, and there is nothing that runs them.`,
      'Set `schema: clone` in the plan.',
    );
  return withTurn(move, 'create', () => createInTurn(move, options), 'create');
}

async function createInTurn(move: Move, options: CreateOptions): Promise<CreateReport> {
  const { databases, service, progress } = move;
  await move.tables('source');
  const source = await describeSide(move, 'source');
  if (service.schema === 'clone') refuse('Not all of it can be made on the target', source.problems);
  const there = await checkApart(move);
  const state = there ? await move.state.find() : undefined;
  if (state && state.strategy !== service.strategy)
    throw new SplitError(
      'refused',
      `The move of ${service.name} has begun as ${state.strategy}.`,
      'Set that strategy in the plan; it is chosen once.',
    );
  if (state?.phase === 'abandoned')
    throw new SplitError('refused', `The move of ${service.name} is being given up.`, 'Run `abandon` again first.');
  const cut = await cutForeignKeys(move, source.relations);
  const report = {
    service: service.name,
    database: targetDatabase(move),
    phase: state?.phase ?? 'created',
    cut,
  } as const;
  if (options.dryRun) return { ...report, ...(await wouldMake(move, source, there)), dryRun: true, removedRows: 0 };
  const followed = state ? await followPartitions(move) : [];
  if (state && ['switched', 'completed'].includes(state.phase))
    return { ...report, dryRun: false, made: followed, deferred: [], removedRows: 0 };

  step(move, 'database and logins');
  const ownerUrl = await provisionTarget(move, options.passwords);
  step(move, 'what the tool keeps');
  await databases.source.query(BEAT_SCHEMA);
  await prepareFence(databases.source);
  await databases.target.query(TARGET_SCHEMA + BEAT_SCHEMA);

  step(move, 'tables');
  const isNew = state === undefined;
  const { made: ownMade, removedRows } =
    service.schema === 'clone'
      ? { made: await cloneSchema(move, source, isNew), removedRows: 0 }
      : await migrateSchema(move, source, () => options.migrate!(ownerUrl));
  const made = [...followed, ...ownMade];
  step(move, 'fence');
  await closeTarget(move);

  step(move, 'rights');
  // With migrations, they give them.
  if (service.schema === 'clone') await grantTables(move, await tableGrants(move));
  await grantTakingPart(move);

  step(move, 'comparison');
  refuse('The tables differ', await driftOf(move));

  step(move, 'the move');
  await inTransaction(databases.target, async (client) => {
    await recordDeferred(move, 'source', await cutRows(move, cut), client);
    await client.query(
      'INSERT INTO decomposition.moves (service, strategy) VALUES ($1, $2) ON CONFLICT (service) DO NOTHING',
      [service.name, service.strategy],
    );
    if (made.length > 0 || isNew)
      await move.state.journal('create', 'done', { made: made.length, removedRows }, client);
  });
  progress.note(`${service.name} has ${targetDatabase(move)}, with ${service.tables.length} tables, closed to writes.`);
  const deferred = await readDeferred(move, 'target');
  return {
    ...report,
    dryRun: false,
    made,
    removedRows,
    deferred: deferred.map(labelOf),
  };
}

/** Between two steps a run can be told to stop. */
function step(move: Move, what: string): void {
  if (move.signal.aborted)
    throw new SplitError('interrupted', `Stopped before: ${what}.`, 'Run `create` again: it goes on from there.');
  move.progress.note(`${move.service.name}: ${what}`);
}

function refuse(what: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  throw new SplitError(
    'refused',
    `${what}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    'Make them alike, and run `create` again.',
  );
}

async function wouldMake(
  move: Move,
  source: FullDescription,
  there: boolean,
): Promise<{ made: string[]; deferred: string[] }> {
  const target = there ? await describeSide(move, 'target', source) : { relations: [], objects: [], problems: [] };
  const known = there ? await readDeferred(move, 'target').catch(() => []) : [];
  const { missing } = compare(source, target, new Set(known.map(({ meaning }) => meaning)));
  return {
    made: missing.filter(({ deferred, make }) => !deferred && make).map(labelOf),
    deferred: missing.filter(({ deferred }) => deferred).map(labelOf),
  };
}
