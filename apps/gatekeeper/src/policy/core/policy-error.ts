/** A place in a policy file, both from 1. */
export interface Place {
  line: number;
  column: number;
}

/** A policy cannot be used; the message says where and why. */
export class PolicyError extends Error {
  readonly code = 'policy_invalid';

  constructor(
    message: string,
    /** Of the first thing that is wrong, where that has one. */
    readonly place?: Place,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'PolicyError';
  }
}
