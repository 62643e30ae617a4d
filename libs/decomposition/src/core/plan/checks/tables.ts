import { type Finding } from '../report.js';
import { type Relation } from '../read/relations.js';
import { type Survey } from '../survey.js';
import { type Check, listed } from './check.js';

type Problem = (code: Finding['code'], message: string, next: string) => void;

/** What is claimed is a table that can be followed, row by row. */
export const checkTables: Check = (survey, found) => {
  for (const [table, claimants] of survey.claims) {
    const [home] = claimants;
    const service = survey.services.find(({ name }) => name === home);
    if (service)
      checkTable(survey, service.strategy === 'replication', table, (code, message, next) =>
        found.problem({ code, service: service.name, place: table, message, next }),
      );
    else if (home === null && !survey.relations.has(table))
      found.warn({
        code: 'table_missing',
        place: table,
        message: `Table ${table} of \`stay\` is not in the source.`,
        next: 'Take it out of the plan, or look whether the name is right.',
      });
  }
};

function checkTable(survey: Survey, replicated: boolean, table: string, problem: Problem): void {
  const relation = survey.relations.get(table);
  const odd = relation && isOdd(relation);
  if (!relation)
    problem(
      'table_missing',
      `The source has no table ${table}.`,
      'Take it out of the plan, or look whether the source URL is right.',
    );
  else if (odd) problem('not_a_table', ...odd);
  else {
    checkKey(relation, problem);
    checkInheritance(survey, relation, problem);
    const { superuser, bypassRls } = survey.sourceFacts.rights;
    if (relation.rowSecurity && !superuser && !bypassRls)
      problem(
        'row_security',
        `Row-level security would hide rows of ${table} from the administrator of the source.`,
        'Give that role BYPASSRLS, or connect as a superuser.',
      );
    const partitions = [...survey.relations.values()].filter(({ partitionOf }) => partitionOf === table);
    for (const one of [relation, ...partitions]) {
      const what = one === relation ? `Table ${table}` : `${one.name}, a partition of ${table},`;
      checkStorage(one, what, problem);
      if (replicated) checkIdentity(one, what, problem);
      if (!one.owned)
        problem(
          'not_owner',
          `${what} does not belong to the administrator of the source.`,
          'GRANT its owner to that role, or connect as a superuser.',
        );
    }
  }
}

function isOdd({ name, kind, partitionOf }: Relation): [message: string, next: string] | undefined {
  if (partitionOf !== null)
    return [`${name} is a partition of ${partitionOf}.`, `Claim ${partitionOf}: its partitions go with it.`];
  if (kind === 'r' || kind === 'p') return undefined;
  const what = { f: 'a foreign table', v: 'a view', m: 'a materialized view' }[kind];
  return [
    `${name} is ${what}: its rows are those of other tables.`,
    'Take it out of the plan, and claim the tables that the rows are in.',
  ];
}

function checkKey({ name, hasKey, keyAtOnce }: Relation, problem: Problem): void {
  if (!hasKey)
    problem(
      'no_primary_key',
      `Table ${name} has no primary key.`,
      'Add one: rows that cannot be told apart can neither be followed nor compared.',
    );
  else if (!keyAtOnce)
    problem(
      'no_primary_key',
      `The primary key of ${name} is deferrable: no stream can follow rows by it.`,
      'Make it anew, without DEFERRABLE.',
    );
}

function checkInheritance({ relations }: Survey, { name, inherits }: Relation, problem: Problem): void {
  const next = 'Partition instead, or end it by ALTER TABLE ... NO INHERIT.';
  if (inherits.length > 0)
    problem('inheritance', `Table ${name} inherits from ${listed(inherits)}: its rows show there, too.`, next);
  const children = [...relations.values()].filter((one) => one.inherits.includes(name)).map((one) => one.name);
  if (children.length > 0)
    problem('inheritance', `Rows of ${listed(children)}, by inheritance, show in ${name}, too.`, next);
}

function checkStorage({ name, kind, persistence }: Relation, what: string, problem: Problem): void {
  if (kind === 'f')
    problem(
      'not_a_table',
      `${what} is a foreign table: its rows are elsewhere.`,
      'Detach it; move its rows here, or do without.',
    );
  else if (persistence === 'u')
    problem('not_permanent', `${what} is unlogged: no stream carries its rows.`, `ALTER TABLE ${name} SET LOGGED.`);
  else if (persistence === 't')
    problem('not_permanent', `${what} is temporary: it ends with its session.`, 'Take it out of the plan.');
}

function checkIdentity({ name, kind, identity }: Relation, what: string, problem: Problem): void {
  if (kind !== 'r' || identity === 'd' || identity === 'f') return;
  const means =
    identity === 'n'
      ? 'is nothing: once it is published, UPDATE and DELETE on it fail'
      : 'is another index than the primary key';
  problem(
    'replica_identity',
    `The replica identity of ${what.replace(/^T/, 't')} ${means}.`,
    `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT.`,
  );
}
