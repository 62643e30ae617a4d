import { type Trigger } from '../read/dependencies.js';
import { homeOf, homeText, type Survey } from '../survey.js';
import { type Check, listed } from './check.js';

/** What a trigger's function touches is not in the catalogue: whoever moves its table has to look. */
export const checkTriggers: Check = (survey, found) => {
  for (const { name: service } of survey.services) {
    const triggers = survey.dependencies.triggers.filter(({ table }) => homeOf(survey, table) === service);
    const byFunction = Map.groupBy(triggers, (trigger) => trigger.function);
    for (const [calls, all] of byFunction) {
      const tables = listed(all.map(({ table }) => table));
      found.warn({
        code: 'trigger',
        service,
        place: calls,
        message: `${calls} is called by ${all.length === 1 ? `trigger ${all[0]!.name} of ${tables}` : `triggers of ${tables}`}. ${suspicion(survey, service, all[0]!)}`,
        next: 'Look whether it reads or writes tables of other services: on the target they are not there, and the write that fires it fails.',
      });
    }
    for (const { table, name } of triggers.filter(({ always }) => always))
      found.warn({
        code: 'trigger_always',
        service,
        place: `${table}.${name}`,
        message: `Trigger ${name} of ${table} fires for replicated rows, too: once where a row is written, and again on the other side.`,
        next: `ALTER TABLE ${table} ENABLE TRIGGER ${name}, unless that is meant.`,
      });
  }
  for (const { table, name } of survey.dependencies.subscriptions) {
    const service = homeOf(survey, table);
    if (service == null) continue;
    found.warn({
      code: 'subscription',
      service,
      place: table,
      message: `Subscription ${name} writes to ${table}; no fence stops it, so it would go on writing to the source after the switch.`,
      next: 'End it before the switch, or let it write to the target from then on.',
    });
  }
};

function suspicion(survey: Survey, service: string, { language, source }: Trigger): string {
  if (language !== 'plpgsql' && language !== 'sql')
    return `It is written in ${language}: what it touches is not known.`;
  const words = new Set(source.match(/[\p{L}_][\p{L}\p{N}_$]*/gu) ?? []);
  const named = [...survey.claims.keys()].filter(
    (table) => homeOf(survey, table) !== service && words.has(table.slice(table.indexOf('.') + 1)),
  );
  if (named.length > 0)
    return `Its text names ${listed(named.map((table) => `${table} (${homeText(homeOf(survey, table))})`))}.`;
  return /\bexecute\b/i.test(source)
    ? 'It runs statements that it puts together: what it touches is not known.'
    : 'Its text names no table of another service; what it calls may.';
}
