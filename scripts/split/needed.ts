import { type Verbs } from '#decomposition';

/** @throws Error when it is not there */
export function needed<K extends keyof Verbs>(library: Partial<Verbs>, name: K): Verbs[K] {
  const found = library[name];
  if (!found) throw new Error(`This build has no ${name}.`);
  return found;
}
