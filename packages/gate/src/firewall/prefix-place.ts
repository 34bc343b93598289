/** The keys of a prefix grant: first and last, of the same size, both included; what follows the address is equal in both. */
export interface Interval {
  readonly key: Uint8Array;
  readonly keyEnd: Uint8Array;
}

function overlap(a: Interval, b: Interval): boolean {
  // Prefixes of one family contain one another or are disjoint; different endpoints make different last bytes.
  const size = a.key.length;
  for (let i = size - 8; i < size; i++) if (a.key[i] !== b.key[i]) return false;
  return Buffer.compare(a.key, b.keyEnd) <= 0 && Buffer.compare(b.key, a.keyEnd) <= 0;
}

/** Whether two intervals are the same. */
export function sameInterval(a: Interval, b: Interval): boolean {
  return Buffer.compare(a.key, b.key) === 0 && Buffer.compare(a.keyEnd, b.keyEnd) === 0;
}

/** How many prefixes one interval set holds. */
export const PREFIXES_PER_PLACE = 1024;

/**
 * Chooses among interval sets the one that holds `wanted`, or else the first with room in which it overlaps nothing: the kernel
 * refuses overlapping intervals in one set. Undefined when there is none.
 */
export function choosePlace(
  places: readonly (readonly Interval[])[],
  wanted: Interval,
  capacity: number = PREFIXES_PER_PLACE,
): { readonly index: number; readonly held: boolean } | undefined {
  const held = places.findIndex((intervals) => intervals.some((interval) => sameInterval(interval, wanted)));
  if (held >= 0) return { index: held, held: true };
  const index = places.findIndex(
    (intervals) => intervals.length < capacity && !intervals.some((interval) => overlap(interval, wanted)),
  );
  return index < 0 ? undefined : { index, held: false };
}
