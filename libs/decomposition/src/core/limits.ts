/** What the switches want of a move; `status` goes by the same. */

/** How old a clean verification may be. */
export const MAX_VERIFIED_AGE_MS = 3_600_000;
/** How far behind the stream may be. */
export const MAX_LAG_S = 1;
