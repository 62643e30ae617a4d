/**
 * - `invalid_plan`: the plan file, or what it says of the source, is wrong
 * - `refused`: a gate does not hold; `next` says what would open it
 * - `busy`: another run of the tool works on this move
 * - `not_created`: `create` has not been run for this service
 * - `unreachable`: a server did not answer, or went away meanwhile; running it again goes on from there
 * - `timeout`: something did not happen in the time it had; what was begun was taken back, or is safe to run again
 * - `different`: the two sides are not equal
 * - `interrupted`: the run was told to stop; running it again goes on from there
 */
export type SplitErrorCode =
  'invalid_plan' | 'refused' | 'busy' | 'not_created' | 'unreachable' | 'timeout' | 'different' | 'interrupted';

/** What a verb refuses, and what to do about it. */
export class SplitError extends Error {
  constructor(
    readonly code: SplitErrorCode,
    message: string,
    /** The next step, as a sentence. */
    readonly next?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'SplitError';
  }
}
