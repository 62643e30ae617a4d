import { type ColumnType } from '../read/dependencies.js';
import { type Finding } from '../report.js';
import { homeOf, sameCluster } from '../survey.js';
import { type Check } from './check.js';

/** They count the transactions of one cluster. */
const TRANSACTIONS = ['xid', 'xid8', 'pg_snapshot', 'txid_snapshot'];
/** What else means something in one cluster. */
const OF_A_CLUSTER = new Set([...TRANSACTIONS, 'cid', 'pg_lsn', 'regrole']);
const ELSEWHERE =
  "Move the service to a database on the source's server, or turn the column into one that counts by itself";
/** They name what one database has. */
const OF_A_DATABASE =
  /^(?:oid|tid|aclitem|reg(?:class|proc|procedure|oper|operator|type|namespace|config|dictionary|collation))$/;

/** Types that mean the same on the target. */
export const checkTypes: Check = (survey, found) => {
  for (const column of survey.dependencies.types) {
    const service = survey.services.find(({ name }) => name === homeOf(survey, column.table));
    if (!service) continue;
    const of = { service: service.name, place: `${column.table}.${column.column}` };
    if (isLargeObject(column))
      found.warn({
        ...of,
        code: 'large_objects',
        message: `${of.place} is of type ${column.type}: large objects, or what else it points to, stay behind.`,
        next: 'If it holds large objects, put them into a bytea column before the move.',
      });
    if (!column.builtIn) {
      if (service.schema === 'clone') clone(column, of, (finding) => found.problem(finding));
      // Who takes over sees to how transactions count there.
    } else if (service.takeover === undefined || !TRANSACTIONS.includes(column.type))
      local(column, of, sameCluster(survey, service.name), found);
  }
};

function isLargeObject({ type, builtIn, kind }: ColumnType): boolean {
  return (builtIn && type === 'oid') || (kind === 'd' && type === 'lo');
}

function clone(
  { type, kind, ofTable, extension }: ColumnType,
  of: Pick<Finding, 'service' | 'place'>,
  problem: (finding: Finding) => void,
): void {
  // Made by `create`; those of extensions come with them.
  if (kind === 'e' || kind === 'd' || (kind === 'c' && !ofTable) || extension !== null) return;
  const what =
    { c: 'the type of the rows of a table', r: 'a range type of its own', m: 'a multirange type of its own' }[kind] ??
    'a base type of its own';
  problem({
    ...of,
    code: 'type_does_not_travel',
    message: `${of.place} is of type ${type}, ${what}: \`create\` makes enums, domains and composite types, but not this.`,
    next: 'Change the column to a type that every server has, such as jsonb, or let the service make its tables: `schema: migrations`.',
  });
}

function local(
  { type }: ColumnType,
  of: Pick<Finding, 'service' | 'place'>,
  together: boolean | undefined,
  found: Parameters<Check>[1],
): void {
  const cluster = OF_A_CLUSTER.has(type);
  if (!cluster && !OF_A_DATABASE.test(type)) return;
  if (cluster && together === true) return;
  const finding: Finding = {
    ...of,
    code: 'type_does_not_travel',
    message: `${of.place} is of type ${type}, which means something in one ${cluster ? 'cluster' : 'database'} only.`,
    next: TRANSACTIONS.includes(type)
      ? `${ELSEWHERE}, or let a function of the service, the plan's \`takeover\`, count on from there.`
      : cluster
        ? `${ELSEWHERE}.`
        : 'Store a name instead (text).',
  };
  if (together === false) found.problem(finding);
  // Of oid, more is said as of large objects.
  else if (type !== 'oid')
    found.warn({ ...finding, next: `${finding.next}${together ? '' : ' On another cluster it is a problem.'}` });
}
