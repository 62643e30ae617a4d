/** Injects this instance's `Participation`. */
export const PARTICIPATION = Symbol('participation in a move');
