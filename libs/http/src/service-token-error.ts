/** Why a service's token is refused. `no_room`: the memory of seen tokens is full; the caller is not at fault. */
export type ServiceTokenFault =
  | 'malformed'
  | 'header'
  | 'signature'
  | 'claims'
  | 'audience'
  | 'lifetime'
  | 'not_yet_valid'
  | 'expired'
  | 'before_start'
  | 'replayed'
  | 'no_room';

/** A service's token that is not good. For the log and the metrics: callers are not told why. */
export class ServiceTokenError extends Error {
  constructor(readonly fault: ServiceTokenFault) {
    super(`the service token is refused: ${fault}`);
    this.name = 'ServiceTokenError';
  }
}
