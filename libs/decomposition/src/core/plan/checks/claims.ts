import { homeText } from '../survey.js';
import { type Check, listed } from './check.js';

/** Each table of the source is claimed once, by a service or by `stay`. */
export const checkClaims: Check = (survey, found) => {
  for (const [table, claimants] of survey.claims) {
    if (claimants.length === 1) continue;
    const names = [...new Set(claimants.map(homeText))];
    found.problem({
      code: 'claimed_twice',
      place: table,
      message:
        names.length === 1
          ? `Table ${table} is named twice by ${names[0]}.`
          : `Table ${table} is claimed by ${listed(names)}.`,
      next: 'Leave it to one of them; the others name it in `external_refs`.',
    });
  }
  // Where a move is completed, its tables wait to be dropped, under other names.
  for (const relation of survey.relations.values()) {
    const { name, kind, persistence, partitionOf, ofExtension } = relation;
    const holdsRows = (kind === 'r' || kind === 'p') && persistence !== 't' && partitionOf === null && !ofExtension;
    if (!holdsRows || survey.claims.has(name)) continue;
    found.problem({
      code: 'claimed_by_none',
      place: name,
      message: `Table ${name} is claimed by no service and does not stay.`,
      next: `Add it to a service's \`tables\`, or to \`stay\`${needsQuotes(name) ? ', in quotes' : ''}.`,
    });
  }
};

function needsQuotes(name: string): boolean {
  return !/^[a-z0-9_$.]+$/.test(name);
}
