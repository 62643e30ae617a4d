import { fullName, parseColumnName, parseTableName, type Column, type Table } from '../../catalogue/table.js';
import { type Chain, type Reference, type ServicePlan } from '../plan.js';
import { homeOf, homeText, type Survey } from '../survey.js';
import { type Check } from './check.js';

type Found = Parameters<Check>[1];

/** `references` and `chains` name columns that are there. */
export const checkReferences: Check = (survey, found) => {
  for (const service of survey.services) {
    for (const reference of service.references) checkReference(survey, service, reference, found);
    for (const chain of service.chains) checkChain(survey, service, chain, found);
  }
};

function checkReference(survey: Survey, service: ServicePlan, { from, to }: Reference, found: Found): void {
  const [own, other] = [from, to].map((text) => ({ text, table: fullName(parseColumnName(text)) })) as [End, End];
  if (homeOf(survey, own.table) !== service.name)
    found.problem({
      code: 'reference_foreign',
      service: service.name,
      place: from,
      message: `The reference from ${from} begins in a table that ${homeText(homeOf(survey, own.table))} has, not ${service.name}.`,
      next: 'Move it to the service that owns the table, or turn it round.',
    });
  const home = homeOf(survey, other.table);
  const announced = service.external_refs.some((text) => fullName(parseTableName(text)) === other.table);
  if (home === undefined)
    found.problem({
      code: 'external_ref_unknown',
      service: service.name,
      place: to,
      message: `The reference from ${from} leads to ${other.table}, which nobody has.`,
      next: 'Name a table that a service claims, or that stays.',
    });
  else if (home !== service.name && !announced)
    found.problem({
      code: 'cut_not_announced',
      service: service.name,
      place: from,
      message: `The reference from ${from} to ${to} leads to ${homeText(home)}, which the plan of ${service.name} does not announce.`,
      next: `Add ${other.table} to its \`external_refs\`.`,
    });
  const columns = [own, other].map((end) => columnOf(survey, service.name, end, found));
  const [a, b] = columns;
  if (a && b && family(a.type) !== family(b.type))
    found.warn({
      code: 'column_type',
      service: service.name,
      place: from,
      message: `${from} is ${a.type} and ${to} is ${b.type}: \`verify\` compares them as text.`,
      next: 'Look whether both write the same value the same way.',
    });
}

interface End {
  text: string;
  table: string;
}

function columnOf(survey: Survey, service: string, { text, table }: End, found: Found): Column | undefined {
  const there = survey.tables.get(table);
  // A table that is not there is told of by itself.
  if (!there) return undefined;
  const column = there.columns.find(({ name }) => name === parseColumnName(text).column);
  if (!column) missing(service, text, there, found);
  return column;
}

function missing(service: string, place: string, table: Table, found: Found): void {
  found.problem({
    code: 'column_missing',
    service,
    place,
    message: `The source has no column ${place}.`,
    next: `${fullName(table)} has: ${table.columns.map(({ name }) => name).join(', ')}.`,
  });
}

function checkChain(survey: Survey, service: ServicePlan, chain: Chain, found: Found): void {
  const name = fullName(parseTableName(chain.table));
  if (homeOf(survey, name) !== service.name)
    found.problem({
      code: 'reference_foreign',
      service: service.name,
      place: name,
      message: `The chain in ${name} is in a table that ${homeText(homeOf(survey, name))} has, not ${service.name}.`,
      next: 'Move it to the service that owns the table.',
    });
  const table = survey.tables.get(name);
  if (!table) return;
  const { kind: _kind, table: _table, ...parts } = chain;
  for (const part of Object.values(parts))
    if (!table.columns.some((column) => column.name === part)) missing(service.name, `${name}.${part}`, table, found);
  if (chain.kind !== 'runs') return;
  const is = (part: string): string | undefined => table.columns.find((column) => column.name === part)?.type;
  const wrong: [string, string][] = [];
  if (is(chain.first) !== undefined && family(is(chain.first)!) !== 'integer') wrong.push([chain.first, 'an integer']);
  if (is(chain.items) !== undefined && !is(chain.items)!.endsWith('[]')) wrong.push([chain.items, 'an array']);
  for (const [part, wanted] of wrong)
    found.problem({
      code: 'column_type',
      service: service.name,
      place: `${name}.${part}`,
      message: `${name}.${part} is ${is(part)}; a chain of runs needs ${wanted} there.`,
      next: 'Name the column that holds it.',
    });
}

/** Types whose texts compare. */
function family(type: string): string {
  const plain = type.replace(/\(.*\)/, '');
  if (['smallint', 'integer', 'bigint'].includes(plain)) return 'integer';
  return ['text', 'character varying'].includes(plain) ? 'text' : plain;
}
