/**
 * The value that the share `q` of all is not above, within its bucket by straight line, as Prometheus' `histogram_quantile` has it;
 * `Infinity` when it is beyond the last bound.
 *
 * @param counts how many are at most `bounds[i]` and more than the bound before; the last is beyond them all
 * @returns null when there are none
 */
export function quantile(q: number, bounds: readonly number[], counts: readonly number[]): number | null {
  const rank = q * counts.reduce((sum, count) => sum + count, 0);
  if (rank <= 0) return null;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (below + count >= rank) {
      const [low = 0, high = Infinity] = [bounds[i - 1], bounds[i]];
      return high === Infinity ? Infinity : low + (high - low) * ((rank - below) / count);
    }
    below += count;
  }
  return Infinity;
}
