import type pg from 'pg';
import { connectionUrl } from '#database';
import { readForeignKeys } from '../catalogue/foreign-keys.js';
import { readTables } from '../catalogue/read-tables.js';
import { fullName, parseTableName, quoted, type Table } from '../catalogue/table.js';
import { SplitError } from '../errors.js';
import { administratorPool } from '../move.js';
import { readMove } from '../state/move-store.js';
import { type Plan, type ServicePlan } from './plan.js';
import { type DatabaseFacts, OLDEST_VERSION, readDatabaseFacts } from './read/database-facts.js';
import { readDependencies } from './read/dependencies.js';
import { readRelations } from './read/relations.js';
import { readSequences } from './read/sequences.js';
import { type Survey, type TargetSurvey } from './survey.js';

const NO_SUCH_DATABASE = '3D000';

/** @throws SplitError `invalid_plan` when the source does not answer, or is too old to be asked */
export async function readSurvey(plan: Plan, source: pg.Pool): Promise<Survey> {
  const sourceFacts = await readSource(plan, source);
  const targets = new Map(
    await Promise.all(plan.services.map(async (service) => [service.name, await readTarget(service)] as const)),
  );
  const services = plan.services.filter(({ name }) => targets.get(name)?.state?.phase !== 'completed');
  const claims = readClaims(plan);
  const relations = new Map((await readRelations(source)).map((relation) => [relation.name, relation]));
  const read = await readTables(source, [...plan.stay, ...plan.services.flatMap(({ tables }) => tables)]);
  const tables = new Map(read.map((table) => [fullName(table), table]));
  // Of partitions, too: a trigger or a rule may be on one alone.
  const oids = [...relations.values()].filter(({ name, partitionOf }) => tables.has(partitionOf ?? name));
  return {
    ...{ plan, claims, source, sourceFacts, services, targets, relations, tables },
    foreignKeys: await readForeignKeys(source),
    sequences: await readSequences(source),
    dependencies: await readDependencies(
      source,
      oids.map(({ oid }) => oid),
    ),
  };
}

async function readSource(plan: Plan, source: pg.Pool): Promise<DatabaseFacts> {
  let facts: DatabaseFacts;
  try {
    facts = await readDatabaseFacts(source, databaseOf(plan.source));
  } catch (error) {
    throw new SplitError(
      'invalid_plan',
      `The source does not answer: ${(error as Error).message}.`,
      'See that `source` is right, and that its server lets the administrator in.',
      { cause: error },
    );
  }
  if (facts.versionNumber >= OLDEST_VERSION) return facts;
  throw new SplitError(
    'invalid_plan',
    `The source's server is PostgreSQL ${facts.version}; the oldest that can take part is 15.`,
    'Upgrade it first.',
  );
}

function readClaims(plan: Plan): Map<string, (string | null)[]> {
  const claims = new Map<string, (string | null)[]>();
  const claim = (text: string, claimant: string | null): void => {
    const table = fullName(parseTableName(text));
    claims.set(table, [...(claims.get(table) ?? []), claimant]);
  };
  for (const { name, tables } of plan.services) for (const text of tables) claim(text, name);
  for (const text of plan.stay) claim(text, null);
  return claims;
}

/** Where the database is not there yet, of its server. */
async function readTarget(service: ServicePlan): Promise<TargetSurvey> {
  const { target: url, name } = service;
  const database = databaseOf(url);
  try {
    return await withPool(url, async (pool) => {
      const facts = await readDatabaseFacts(pool, database);
      const filled = await filledTables(pool, service);
      return { url, facts, problem: null, state: await readMove(pool, name), filled };
    });
  } catch (error) {
    const nothing = { url, facts: null, state: undefined, filled: [] };
    if ((error as { code?: string }).code !== NO_SUCH_DATABASE) return { ...nothing, problem: reason(error) };
    try {
      const facts = await withPool(connectionUrl(url, { database: 'postgres' }), (pool) =>
        readDatabaseFacts(pool, database),
      );
      return { ...nothing, facts, problem: null };
    } catch (another) {
      return { ...nothing, problem: reason(another) };
    }
  }
}

async function filledTables(pool: pg.Pool, { tables }: ServicePlan): Promise<string[]> {
  const there = await readTables(pool, tables);
  const holdsRows = async (table: Table): Promise<boolean> =>
    (await pool.query<{ some: boolean }>(`SELECT EXISTS (SELECT FROM ${quoted(table)}) AS some`)).rows[0]!.some;
  const filled: string[] = [];
  for (const table of there) if (await holdsRows(table)) filled.push(fullName(table));
  return filled;
}

async function withPool<T>(url: string, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const pool = administratorPool(url, 1);
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

function reason(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return message || code || String(error);
}

function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}
