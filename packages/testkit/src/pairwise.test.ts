import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pairwise } from './pairwise.ts';

const dimensions = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 })
  .map((sizes) =>
    Object.fromEntries(
      sizes.map((size, i) => [`d${String(i)}`, Array.from({ length: size }, (_, value) => `v${String(value)}`)]),
    ),
  );

/** Every cell there is. */
function product(all: Readonly<Record<string, readonly string[]>>): Record<string, string>[] {
  return Object.entries(all).reduce<Record<string, string>[]>(
    (cells, [name, values]) => cells.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value }))),
    [{}],
  );
}

/** Every value and every named pair of some cells. */
function covered(
  cells: readonly Readonly<Record<string, string>>[],
  pairs: readonly (readonly [string, string])[],
): Set<string> {
  return new Set(
    cells.flatMap((cell) => [
      ...Object.entries(cell).map(([name, value]) => `${name}=${value}`),
      ...pairs.map(([a, b]) => `${a}=${String(cell[a])} ${b}=${String(cell[b])}`),
    ]),
  );
}

const PAIRS = [['d0', 'd1']] as const;

test('a table covers every value and every named pair that a possible cell has, with possible cells only', () => {
  fc.assert(
    fc.property(dimensions, fc.func(fc.boolean()), (all, allowed) => {
      const possible = (cell: Readonly<Record<string, string>>): boolean => allowed(Object.values(cell).join());
      const table = pairwise(all, PAIRS, possible);
      assert.ok(table.every(possible));
      assert.deepEqual(covered(table, PAIRS), covered(product(all).filter(possible), PAIRS));
    }),
  );
});

test('a table is no larger than what it has to cover, and without exclusions no larger than its pairs and values', () => {
  fc.assert(
    fc.property(dimensions, (all) => {
      const table = pairwise(all, PAIRS, () => true);
      const longest = Math.max(...Object.values(all).map((values) => values.length));
      assert.ok(table.length <= (all['d0']?.length ?? 0) * (all['d1']?.length ?? 0) + longest);
    }),
  );
});

test('pairs of different dimensions share their cells', () => {
  const five = ['1', '2', '3', '4', '5'];
  const table = pairwise(
    { a: five, b: five, c: five, d: five },
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
    () => true,
  );
  assert.equal(table.length, 25);
});
