import { type Verbs } from '#decomposition';
import { needed } from './needed.js';

export function openStreamOf(library: Partial<Verbs>): Verbs['openStream'] {
  return (move, from) => needed(library, 'openStream')(move, from);
}
