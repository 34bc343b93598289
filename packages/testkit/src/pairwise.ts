/** Small tables of cells that cover many dimensions: every value, and every pair of values of the dimensions that are named as pairs. */

/** Values by the name of their dimension. */
export type Dimensions = Readonly<Record<string, readonly string[]>>;

/** One value of each dimension. */
export type CellOf<D extends Dimensions> = { readonly [K in keyof D]: D[K][number] };

type Part = Readonly<Record<string, string>>;

function agrees(goal: Part, cell: Part): boolean {
  return Object.entries(goal).every(([name, value]) => cell[name] === value);
}

/** How much a value would bring: goals that it completes, and those that it leaves possible. */
function gain(open: readonly Part[], name: string, value: string, partial: Part): number {
  let sum = 0;
  for (const goal of open) {
    if (goal[name] !== value) continue;
    const others = Object.entries(goal).filter(([other]) => other !== name);
    if (others.some(([other, wanted]) => partial[other] !== undefined && partial[other] !== wanted)) continue;
    sum += others.every(([other]) => partial[other] !== undefined) ? 1_000 : 1;
  }
  return sum;
}

/**
 * A table whose cells together have every value of every dimension and every pair of values of each two dimensions in `pairs`, as far as a
 * possible cell has them. Greedy, so small but not the smallest; the same for the same arguments. Where nothing else decides, values take turns.
 */
export function pairwise<const D extends Dimensions>(
  dimensions: D,
  pairs: readonly (readonly [keyof D & string, keyof D & string])[],
  possible: (cell: CellOf<D>) => boolean,
): CellOf<D>[] {
  const names = Object.keys(dimensions);
  const valuesOf = (name: string): readonly string[] => dimensions[name] ?? [];
  let open: Part[] = [
    ...pairs.flatMap(([a, b]) => valuesOf(a).flatMap((x) => valuesOf(b).map((y) => ({ [a]: x, [b]: y })))),
    ...names.flatMap((name) => valuesOf(name).map((value) => ({ [name]: value }))),
  ];
  const used = new Map<string, number>();
  const uses = (name: string, value: string): number => used.get(`${name} ${value}`) ?? 0;

  const complete = (partial: Part): Part | undefined => {
    const name = names.find((it) => partial[it] === undefined);
    if (name === undefined) {
      const cell = Object.fromEntries(names.map((it) => [it, partial[it] ?? '']));
      return possible(cell as CellOf<D>) ? cell : undefined;
    }
    const ranked = valuesOf(name)
      .map((value) => ({ value, gain: gain(open, name, value, partial), uses: uses(name, value) }))
      .sort((a, b) => b.gain - a.gain || a.uses - b.uses);
    for (const { value } of ranked) {
      const cell = complete({ ...partial, [name]: value });
      if (cell !== undefined) return cell;
    }
    return undefined;
  };

  const table: Part[] = [];
  for (let goal = open.shift(); goal !== undefined; goal = open.shift()) {
    const cell = complete(goal);
    if (cell === undefined) continue;
    table.push(cell);
    open = open.filter((it) => !agrees(it, cell));
    for (const [name, value] of Object.entries(cell)) used.set(`${name} ${value}`, uses(name, value) + 1);
  }
  return table as CellOf<D>[];
}
