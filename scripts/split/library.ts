import { type Verbs } from '#decomposition';

/** The functions behind the verbs. */
export const library: Partial<Verbs> = {};
