import { type ForeignKey } from '../catalogue/foreign-keys.js';
import { fullName, parseTableName } from '../catalogue/table.js';
import { cutKeys } from './checks/foreign-keys.js';
import { type Cut } from './report.js';
import { homeOf, type Survey } from './survey.js';

const ON_DELETE: Record<ForeignKey['onDelete'], (to: string) => string> = {
  CASCADE: (to) => `deleting from ${to} stops cascading: the service has to delete what referred to it.`,
  'SET NULL': (to) => `deleting from ${to} sets nothing to null any more: the service has to.`,
  'SET DEFAULT': (to) => `deleting from ${to} sets nothing to its default any more: the service has to.`,
  RESTRICT: (to) => `what is referred to can be deleted from ${to}: nothing refuses it any more.`,
  'NO ACTION': (to) => `what is referred to can be deleted from ${to}: nothing refuses it any more.`,
};

/** What becomes of each foreign key that the split cuts. @param order the services' names, as they will move */
export function describeCuts(survey: Survey, order: readonly string[]): Cut[] {
  return cutKeys(survey).map((key) => {
    const [from, to] = [homeOf(survey, key.fromRoot) ?? null, homeOf(survey, key.toRoot) ?? null];
    // Whoever is not in the order any more has switched, and dropped it.
    const place = (service: string): number => order.indexOf(service);
    const droppedBy = [from, to].filter((one) => one !== null).sort((a, b) => place(a) - place(b))[0]!;
    const service = survey.plan.services.find(({ name }) => name === from);
    const soft = from === null ? 'Nothing checks it any more' : 'A soft reference, checked by `verify`';
    return {
      name: key.name,
      ...{ from: key.from, fromColumns: key.fromColumns, to: key.to, toColumns: key.toColumns },
      ...{ fromService: from, toService: to, onDelete: key.onDelete, droppedBy },
      announced: service?.external_refs.some((text) => fullName(parseTableName(text)) === key.toRoot) ?? false,
      becomes: `${soft}; the switch of ${droppedBy} drops it on the source; ${ON_DELETE[key.onDelete](key.to)}`,
    };
  });
}
