import { homeOf, homeText } from '../survey.js';
import { type Check, listed } from './check.js';

/** Each sequence goes where its tables go. */
export const checkSequences: Check = (survey, found) => {
  for (const { name, columns } of survey.sequences) {
    const homes = new Set(columns.map(({ table }) => homeOf(survey, table)));
    const texts = listed(columns.map(({ table, column }) => `${table}.${column}`));
    if (columns.length === 0)
      found.warn({
        code: 'sequence_of_none',
        place: name,
        message: `Sequence ${name} belongs to no column: it stays, and no switch advances it.`,
        next: `If the application counts with it for a table, say so: ALTER SEQUENCE ${name} OWNED BY table.column.`,
      });
    else if (homes.size > 1)
      found.warn({
        code: 'sequence_shared',
        place: name,
        message: `Sequence ${name} serves ${texts}, of ${listed([...homes].map(homeText))}: each gets its own, and they will give the same numbers.`,
        next: 'If numbers must differ between the services, let one of them count in other steps after the switch.',
      });
  }
};
