import { createHash } from 'node:crypto';
import { type Move } from '../../move.js';
import { type Side } from '../../side.js';

/** What a stream makes on either server. Each is a valid name as it is, of at most 63 characters. */
export interface StreamNames {
  /** Publication, slot and subscription of the stream itself. */
  stream: string;
  /** Publication and slot of its change log. */
  log: string;
}

const MAX_READABLE = 36;

/**
 * The same for the same plan, service, direction and pair of databases, and no others: slots are named across a whole server, where
 * others may have a plan of that name, too.
 */
export function streamNames(move: Pick<Move, 'plan' | 'service' | 'urls'>, from: Side): StreamNames {
  const { plan, service, urls } = move;
  const place = (url: string): string => {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname}:${port || '5432'}${pathname}`;
  };
  const parts = [plan.name, service.name, from, place(urls.source), place(urls.target)];
  const hash = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 8);
  const readable = `${plan.name}_${service.name}`.slice(0, MAX_READABLE);
  const stream = `split_${readable}_${from}_${hash}`;
  return { stream, log: `${stream}_log` };
}
