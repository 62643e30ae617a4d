import { identityOf, labelOf, type Description, type SchemaObject } from './schema-object.js';

export interface Comparison {
  /** Of the first, and not of the second. */
  missing: readonly SchemaObject[];
  /** Of the second, and not of the first; without what belongs to partitions that only the second has. */
  extra: readonly SchemaObject[];
}

/** What nobody's rows depend on. */
const COSMETIC = new Set(['comment', 'schema', 'extension', 'sequence owner']);

/**
 * Compares what tables are on two sides, by meaning: names of indexes and constraints may differ, and columns may stand in another order.
 *
 * @param notYet identities of what the second side will have later
 */
export function compare(first: Description, second: Description, notYet: ReadonlySet<string> = new Set()): Comparison {
  const of = (description: Description): Set<string> => new Set(description.objects.map(identityOf));
  const [inFirst, inSecond] = [of(first), of(second)];
  const partitions = new Set(first.relations.map(({ schema, name }) => `${schema}.${name}`));
  const later = new Set(
    second.relations
      .filter(({ schema, name, level }) => level > 0 && !partitions.has(`${schema}.${name}`))
      .map(({ schema, name }) => `${schema}.${name}`),
  );
  return {
    missing: first.objects.filter((one) => !inSecond.has(identityOf(one)) && !notYet.has(identityOf(one))),
    extra: second.objects.filter((one) => !inFirst.has(identityOf(one)) && !later.has(one.table)),
  };
}

/** One line each, for people. `sides` are the names of the two. */
export function describeDifferences({ missing, extra }: Comparison, sides: readonly [string, string]): string[] {
  const relevant = ({ kind }: SchemaObject): boolean => !COSMETIC.has(kind);
  const pairOf = (one: SchemaObject): SchemaObject | undefined =>
    extra.find((other) => labelOf(other) === labelOf(one));
  const paired = new Set(missing.map(pairOf));
  return [
    ...missing.filter(relevant).map((one) => {
      const other = pairOf(one);
      if (!other) return `${labelOf(one)} is only on the ${sides[0]}: ${brief(one.text)}`;
      return `${labelOf(one)} differs: on the ${sides[0]} ${brief(one.text)}, on the ${sides[1]} ${brief(other.text)}`;
    }),
    ...extra
      .filter((one) => relevant(one) && !paired.has(one))
      .map((one) => `${labelOf(one)} is only on the ${sides[1]}: ${brief(one.text)}`),
  ];
}

function brief(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)} ...` : line;
}
