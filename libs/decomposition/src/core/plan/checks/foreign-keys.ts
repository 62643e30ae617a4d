import { type ForeignKey } from '../../catalogue/foreign-keys.js';
import { fullName, parseColumnName, parseTableName } from '../../catalogue/table.js';
import { type ServicePlan } from '../plan.js';
import { type ExternalReference } from '../report.js';
import { homeOf, homeText, type Survey } from '../survey.js';
import { type Check } from './check.js';

/** Those whose two tables will live apart, and of which one at least is still to move. */
export function cutKeys(survey: Survey): ForeignKey[] {
  return survey.foreignKeys.filter(({ fromRoot, toRoot }) => {
    const [from, to] = [homeOf(survey, fromRoot), homeOf(survey, toRoot)];
    // What nobody claims is told of by itself.
    return from !== undefined && to !== undefined && from !== to;
  });
}

/** Each foreign key that is cut is announced, and what is announced is somebody else's. */
export const checkForeignKeys: Check = (survey, found) => {
  for (const key of cutKeys(survey)) {
    const [from, to] = [homeOf(survey, key.fromRoot), homeOf(survey, key.toRoot)];
    const place = `${key.from} (${key.name})`;
    const service = survey.services.find(({ name }) => name === from);
    if (from === null)
      found.warn({
        code: 'cut_of_stay',
        service: to!,
        place,
        message: `Foreign key ${key.name} of ${key.from}, which stays, refers to ${key.to}: the switch of ${to} drops it.`,
        next: 'Nothing checks it from then on: see that the application does not count on it.',
      });
    else if (service && !announces(service, key.toRoot))
      found.problem({
        code: 'cut_not_announced',
        service: service.name,
        place,
        message: `Foreign key ${key.name} of ${key.from} refers to ${key.to} of ${homeText(to)}, which the plan of ${service.name} does not announce.`,
        next: `Add ${key.toRoot} to its \`external_refs\`: the key becomes a soft reference.`,
      });
    if (!key.validated)
      found.warn({
        code: 'cut_not_validated',
        ...(from != null && { service: from }),
        place,
        message: `Foreign key ${key.name} of ${key.from} was never validated: rows from before it may refer to nothing, which \`verify\` will tell.`,
        next: `Mend those rows, then ALTER TABLE ${key.from} VALIDATE CONSTRAINT ${key.name}.`,
      });
  }
  for (const service of survey.services)
    for (const text of service.external_refs) checkAnnounced(survey, service, text, found);
};

function checkAnnounced(survey: Survey, service: ServicePlan, text: string, found: Parameters<Check>[1]): void {
  const table = fullName(parseTableName(text));
  const home = homeOf(survey, table);
  if (home === service.name)
    found.problem({
      code: 'external_ref_own',
      service: service.name,
      place: table,
      message: `\`external_refs\` of ${service.name} names ${table}, which is its own.`,
      next: 'Take it out there, or out of `tables`.',
    });
  else if (home === undefined)
    found.problem({
      code: 'external_ref_unknown',
      service: service.name,
      place: table,
      message: `\`external_refs\` of ${service.name} names ${table}, which nobody has.`,
      next: 'Name a table that another service claims, or that stays.',
    });
}

function announces({ external_refs }: ServicePlan, table: string): boolean {
  return external_refs.some((text) => fullName(parseTableName(text)) === table);
}

export function externalReferences(survey: Survey, service: ServicePlan): ExternalReference[] {
  const keys = cutKeys(survey).filter(({ fromRoot }) => homeOf(survey, fromRoot) === service.name);
  return service.external_refs.map((text) => {
    const table = fullName(parseTableName(text));
    const by = keys.some(({ toRoot }) => toRoot === table)
      ? 'foreign_key'
      : service.references.some(({ to }) => fullName(parseColumnName(to)) === table)
        ? 'reference'
        : 'application';
    return { table, home: homeOf(survey, table) ?? null, by };
  });
}
