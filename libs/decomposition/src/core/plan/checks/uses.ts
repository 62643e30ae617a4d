import { type Uses } from '../read/dependencies.js';
import { homeOf, homeText, type Survey } from '../survey.js';
import { type Check, listed } from './check.js';

/** Views, rules and policies do not reach over the split. */
export const checkUses: Check = (survey, found) => {
  for (const use of survey.dependencies.uses) {
    const homes = new Map<string | null | undefined, string[]>();
    for (const table of use.on === null ? use.tables : [use.on, ...use.tables])
      homes.set(homeOf(survey, table), [...(homes.get(homeOf(survey, table)) ?? []), table]);
    const moving = [...homes.keys()].filter((home) => survey.services.some(({ name }) => name === home));
    if (moving.length === 0) continue;
    const service = moving[0] as string;
    if (homes.size > 1) across(use, service, homes, found);
    else if (use.kind !== 'policy') stays(survey, use, service, found);
  }
};

function across(
  use: Uses,
  service: string,
  homes: ReadonlyMap<string | null | undefined, string[]>,
  found: Parameters<Check>[1],
): void {
  const parts = [...homes].map(([home, tables]) => `${listed([...new Set(tables)])} (${homeText(home)})`);
  found.problem({
    code: `${use.kind}_across`,
    service,
    place: use.what,
    message: `The ${use.kind} ${use.what} brings together ${listed(parts)}, which will live apart.`,
    next:
      use.kind === 'view'
        ? 'Drop it; let the application, or the API of one service, bring the rows together.'
        : 'Drop it, or write it without the tables of others.',
  });
}

function stays(survey: Survey, { kind, what }: Uses, service: string, found: Parameters<Check>[1]): void {
  const made = survey.plan.services.some(({ name, schema }) => name === service && schema === 'migrations');
  if (made && kind === 'rule') return;
  found.warn({
    code: kind === 'view' ? 'view_stays' : 'rule_stays',
    service,
    place: what,
    message: `The ${kind} ${what} is not copied${kind === 'view' ? ', and its tables cannot be dropped from the source while it is there' : ''}.`,
    next: `${made ? "See that the service's migrations make it" : 'Make it in the target yourself after `create`'}${kind === 'view' ? ', and drop it from the source before `complete`' : ''}.`,
  });
}
