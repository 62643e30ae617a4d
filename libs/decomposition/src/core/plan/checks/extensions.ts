import { homeOf, type Survey } from '../survey.js';
import { type Check, listed } from './check.js';

/** What the tables of a service are made with, by name. */
export function extensionsOf(survey: Survey, service: string): string[] {
  const needed = survey.dependencies.extensions.filter(({ table }) => homeOf(survey, table) === service);
  return [...new Set(needed.map(({ extension }) => extension))].sort();
}

/** The target's server offers the extensions that tables need. */
export const checkExtensions: Check = (survey, found) => {
  for (const { name: service } of survey.services) {
    const offered = survey.targets.get(service)?.facts?.extensions;
    if (!offered) continue;
    for (const extension of extensionsOf(survey, service)) {
      if (offered.has(extension)) continue;
      const tables = survey.dependencies.extensions
        .filter((one) => one.extension === extension && homeOf(survey, one.table) === service)
        .map(({ table }) => table);
      found.problem({
        code: 'extension_missing',
        service,
        place: listed(tables),
        message: `${listed(tables)} ${tables.length === 1 ? 'needs' : 'need'} the extension ${extension}, which the server of ${service}'s target does not offer.`,
        next: `Install the package of ${extension} on that server (pg_available_extensions must show it), or do without it in the source first.`,
      });
    }
  }
};
