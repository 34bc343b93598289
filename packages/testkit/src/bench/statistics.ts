/** Order statistics of a sample. */
export interface Summary {
  readonly n: number;
  /** Knocks that nothing answered. */
  readonly lost: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
}

/** Rounds to three decimals, which is what a millisecond's microseconds need. */
export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Summarises milliseconds; null is lost. With nothing that arrived the figures are NaN, which JSON writes as null. */
export function summarise(milliseconds: readonly (number | null)[]): Summary {
  const sorted = milliseconds.filter((value) => value !== null).sort((a, b) => a - b);
  const at = (q: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN);
  return {
    n: milliseconds.length,
    lost: milliseconds.length - sorted.length,
    min: at(0),
    median: at(0.5),
    p99: at(0.99),
  };
}

/** The middle one; of an even number of values the upper of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}
