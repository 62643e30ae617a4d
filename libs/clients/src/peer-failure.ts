/** Why a peer's answer is an outage. For the log; callers are told `unavailable`. */
export class PeerFailure extends Error {
  constructor(
    message: string,
    /** Seconds, where the peer said so. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = 'PeerFailure';
  }
}
