/**
 * What can be wrong with a log.
 *
 * event_missing, event_changed   the event of the leaf `index` is gone, or another
 * event_unlogged                 an event that is in no leaf; `index` is where the log ends
 * leaf_missing                   there is no leaf `index`, and should be
 * leaf_changed                   the leaf's hash is not the one of its event and its tile
 * leaf_extra                     a leaf `index` comes twice, or beyond the newest checkpoint: that one was rolled back, or the leaf put in
 * tile_missing, tile_changed     the hash over the leaf `index`, or over those from there on
 * checkpoint                     the checkpoint of size `index` is not signed by the log, or not one of it, or out of order; where it cannot
 *                                even be read, `index` is as far as everything agreed
 * root                           the checkpoint of size `index` has another root than the leaves before it
 * fork                           the log has signed two histories of size `index`
 * seal                           the leaves without events, from `index` on, are not those that were sealed; or a seal is not the log's
 * rolled_back                    the newest checkpoint ends at `index`, and another one or a tile goes further
 */
export type DifferenceKind =
  | 'event_missing'
  | 'event_changed'
  | 'event_unlogged'
  | 'leaf_missing'
  | 'leaf_changed'
  | 'leaf_extra'
  | 'tile_missing'
  | 'tile_changed'
  | 'checkpoint'
  | 'root'
  | 'fork'
  | 'seal'
  | 'rolled_back';

export interface Difference {
  tenant: string;
  kind: DifferenceKind;
  /** Of a leaf; of a checkpoint, its size. */
  index: number;
  /** For `root` and `fork`: up to this size everything agreed with a checkpoint, so that the fault is in leaves [after, index). */
  after?: number;
  /** A sentence for people. */
  detail: string;
}

/** Ends a verification from wherever it is; never leaves this folder. */
export class Found extends Error {
  constructor(readonly difference: Omit<Difference, 'tenant'>) {
    super(difference.detail);
    this.name = 'Found';
  }
}
