import { escapeIdentifier } from 'pg';
import { type SchemaObject } from '../describe/schema-object.js';

/** Would keep rows from being loaded, or is quicker once they are there. */
const LATE = new Set(['row security', 'policy']);

/** Two files of SQL: one to run before the rows are there, one after. psql can run them as well. */
export function beforeAndAfter(objects: readonly SchemaObject[]): { before: string; after: string } {
  const late = (object: SchemaObject): boolean => object.deferred || LATE.has(object.kind);
  const file = (which: readonly SchemaObject[]): string =>
    ['SET LOCAL check_function_bodies = off', ...which.flatMap(({ make }) => (make ? [make] : []))]
      .map((sql) => `${sql};\n`)
      .join('\n');
  return { before: file(objects.filter((one) => !late(one))), after: file(objects.filter(late)) };
}

/** Those of the roles that policies name. */
export function rolesOf(objects: readonly SchemaObject[], roles: readonly string[]): string[] {
  const policies = objects
    .filter(({ kind }) => kind === 'policy')
    .map(({ make }) => / TO (.*?)(?: USING| WITH CHECK|$)/s.exec(make ?? '')?.[1] ?? '');
  return roles.filter((role) =>
    policies.some((list) => list.split(', ').some((name) => name === role || name === escapeIdentifier(role))),
  );
}
