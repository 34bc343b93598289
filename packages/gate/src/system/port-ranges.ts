/** Sets of ports as ascending ranges that neither overlap nor touch. */

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** The ports of `ranges`, in any order and overlapping as they like, as ascending ranges. */
export function unite(ranges: Iterable<PortRange>): PortRange[] {
  const united: { first: number; last: number }[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = united.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else united.push({ first, last });
  }
  return united;
}

/** The ports of `ranges` (ascending) but for `ports`. */
export function without(ranges: readonly PortRange[], ports: Iterable<number>): PortRange[] {
  let left = [...ranges];
  for (const port of ports) {
    left = left.flatMap(({ first, last }) =>
      port < first || port > last
        ? [{ first, last }]
        : [
            { first, last: port - 1 },
            { first: port + 1, last },
          ].filter((range) => range.first <= range.last),
    );
  }
  return left;
}

/**
 * At most `most` ranges that hold all ports of `ranges` (ascending): the smallest gaps are closed first, and a gap that holds one of `keep`
 * never is, so that with many of these there may be more.
 */
export function coarsen(ranges: readonly PortRange[], most: number, keep: ReadonlySet<number>): PortRange[] {
  const gaps = ranges
    .slice(1)
    .map(({ first }, index) => ({ index, from: (ranges[index]?.last ?? 0) + 1, to: first - 1 }));
  const kept = [...keep];
  const closable = gaps
    .filter(({ from, to }) => !kept.some((port) => port >= from && port <= to))
    .sort((a, b) => a.to - a.from - (b.to - b.from));
  const closed = closable
    .slice(0, Math.max(0, ranges.length - most))
    .map(({ from, to }) => ({ first: from, last: to }));
  return unite([...ranges, ...closed]);
}
