import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Budget } from './budget.ts';
import { ByteTable, NOWHERE } from './byte-table.ts';
import { FailedNonces } from './failed-nonces.ts';
import { Seen } from './seen.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use, on and off the heap. */
function used(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A key of so many bytes that ends in a number. */
function key(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(size - 4, number);
  return bytes;
}

const step = fc.record({
  what: fc.constantFrom('find', 'add', 'touch', 'touch', 'add', 'add', 'clear'),
  // Some that end in zeros, and some that are as good as shorter ones.
  key: fc.uint8Array({ minLength: 0, maxLength: 3, max: 3 }),
});

test('it knows what a map of strings in their order of use knows, and a new key takes the place of that which was not used for longest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step, { maxLength: 400 }), (capacity, steps) => {
      const table = new ByteTable(capacity, 3);
      const { bytes } = table;
      const naive = new Map<string, number>();
      for (const { what, key: given } of steps) {
        const name = [...given, 0, 0, 0].slice(0, 3).join();
        const place = table.find(given);
        assert.equal(place, naive.get(name) ?? NOWHERE);
        if (what === 'clear') {
          // Rarely: else nothing is ever full.
          if (given.length > 0) continue;
          table.clear();
          naive.clear();
        } else if (what === 'add' && place === NOWHERE) {
          const oldest = naive.size === capacity ? [...naive.keys()][0] : undefined;
          const free = oldest === undefined ? naive.size : naive.get(oldest);
          if (oldest !== undefined) naive.delete(oldest);
          const taken = table.add(given);
          assert.equal(taken, free);
          naive.set(name, taken);
        } else if (what === 'touch' && place !== NOWHERE) {
          table.touch(place);
          naive.delete(name);
          naive.set(name, place);
        }
        assert.equal(table.size, naive.size);
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

test('a million keys take the bytes that each table says, and nothing of the heap', () => {
  const rate = { burst: 20_000, rate: 20_000 };
  const kinds: readonly (readonly [string, () => { bytes: number; size: number; add: (number: number) => void }])[] = [
    [
      'budget',
      () => {
        const it = new Budget(rate, { burst: 2, rate: 1 });
        const add = (number: number): void => void it.take(key(number, 16), 1_000_000 + number * 50);
        return { bytes: it.bytes, add, size: it.capacity };
      },
    ],
    [
      'seen',
      () => {
        const it = new Seen(16_384, { mac: 16, source: 16 });
        const add = (number: number): void => {
          it.remember(key(number, 16), key(number, 16));
        };
        return { bytes: it.bytes, add, size: 16_384 };
      },
    ],
    [
      'failed nonces',
      () => {
        const it = new FailedNonces(4096);
        const add = (number: number): void => {
          it.add(key(number, 8));
        };
        return { bytes: it.bytes, add, size: 4096 };
      },
    ],
  ];
  for (const [name, make] of kinds) {
    const before = used();
    const it = make();
    for (let number = 0; number < 1_000_000; number++) it.add(number);
    const grown = used() - before;
    assert.ok(grown < it.bytes + 300_000, `${name}: ${String(grown)} bytes, ${String(it.bytes)} expected`);
    assert.ok(it.bytes < it.size * 120, `${name}: ${String(it.bytes)} bytes`);
  }
});
