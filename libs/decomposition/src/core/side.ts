/** The shared database a service leaves, and the one of its own that it gets. */
export type Side = 'source' | 'target';

export function otherSide(side: Side): Side {
  return side === 'source' ? 'target' : 'source';
}
