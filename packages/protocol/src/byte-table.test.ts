import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteTable, NOWHERE } from './byte-table.ts';

const step = fc.record({
  what: fc.constantFrom('find', 'add', 'touch', 'touch', 'add', 'add', 'remove', 'clear'),
  // Some that end in zeros, and some that are as good as shorter ones.
  key: fc.uint8Array({ minLength: 0, maxLength: 3, max: 2 }),
});

test('it knows what a map of strings in their order of use knows; a new key takes a free place, or that of the key that was not used for longest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 400, size: 'max' }), (capacity, steps) => {
      const table = new ByteTable(capacity, 3);
      const { bytes } = table;
      const naive = new Map<string, number>();
      // Places that were given up; the last one is taken first.
      let free: number[] = [];
      let used = 0;
      for (const { what, key: given } of steps) {
        const name = [...given, 0, 0, 0].slice(0, 3).join();
        const place = table.find(given);
        assert.equal(place, naive.get(name) ?? NOWHERE);
        if (what === 'clear') {
          // Rarely: else nothing is ever full.
          if (given.length > 0) continue;
          table.clear();
          naive.clear();
          free = [];
          used = 0;
        } else if (what === 'add' && place === NOWHERE) {
          const oldest = naive.size === capacity ? [...naive.keys()][0] : undefined;
          const expected = oldest === undefined ? (free.pop() ?? used++) : naive.get(oldest);
          if (oldest !== undefined) naive.delete(oldest);
          const taken = table.add(given);
          assert.equal(taken, expected);
          naive.set(name, taken);
        } else if (what === 'remove') {
          assert.equal(table.remove(place), place !== NOWHERE);
          if (place === NOWHERE) continue;
          naive.delete(name);
          free.push(place);
          assert.equal(table.find(given), NOWHERE);
          assert.equal(table.remove(place), false, 'it is free already');
        } else if (what === 'touch' && place !== NOWHERE) {
          table.touch(place);
          naive.delete(name);
          naive.set(name, place);
        }
        assert.equal(table.size, naive.size);
        assert.equal(table.oldest, [...naive.values()][0] ?? NOWHERE);
        assert.ok(table.size <= capacity);
        assert.equal(table.bytes, bytes);
      }
      for (const [name, place] of naive) assert.equal(table.find(Uint8Array.from(name.split(',').map(Number))), place);
    }),
    { numRuns: 500 },
  );
});

test('keys and capacities that it cannot have are refused', () => {
  for (const [capacity, size] of [
    [0, 8],
    [1.5, 8],
    [2 ** 24 + 1, 8],
    [8, 0],
    [8, 65],
  ] as const)
    assert.throws(() => new ByteTable(capacity, size), RangeError);
  assert.throws(() => new ByteTable(8, 4).find(new Uint8Array(5)), RangeError);
  assert.throws(() => new ByteTable(8, 4).add(new Uint8Array(5)), RangeError);
});
