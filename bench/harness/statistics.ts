/** The value below which the given part (0 to 1) of the sample lies. @throws Error when there is no sample */
export function quantile(sample: ArrayLike<number>, part: number): number {
  if (sample.length === 0) throw new Error('a quantile of nothing');
  const sorted = Float64Array.from(sample).sort();
  return sorted[Math.min(Math.floor(part * sorted.length), sorted.length - 1)]!;
}

export function median(sample: ArrayLike<number>): number {
  return quantile(sample, 0.5);
}
