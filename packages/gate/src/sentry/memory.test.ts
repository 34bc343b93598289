import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usedMemory } from '../../../protocol/src/testdata/used-memory.ts';
import { Budget } from './budget.ts';
import { FailedNonces } from './failed-nonces.ts';
import { Seen } from './seen.ts';

/** A key of so many bytes that ends in a number. */
function key(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(size - 4, number);
  return bytes;
}

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
    // Compilers have done their work by then.
    const warm = make();
    for (let number = 0; number < 100_000; number++) warm.add(number);
    const before = usedMemory();
    const it = make();
    for (let number = 0; number < 1_000_000; number++) it.add(number);
    const grown = usedMemory() - before;
    assert.ok(grown < 300_000, `${name}: ${String(grown)} bytes of the heap`);
    assert.ok(it.bytes < it.size * 120, `${name}: ${String(it.bytes)} bytes`);
  }
});
