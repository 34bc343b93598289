import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { halfSipHash24 } from './halfsiphash.ts';
import { readVectors } from './testdata/read-vectors.ts';
import { slowHalfSipHash24 } from './testdata/slow-halfsiphash.ts';

const published = (readVectors('halfsiphash.json') as { vectors: { len: number; value: string }[] }).vectors;
const publishedKey = Uint8Array.from({ length: 8 }, (_, i) => i);

test('HalfSipHash-2-4 gives the published output for every published message', () => {
  assert.equal(published.length, 16);
  for (const { len, value } of published) {
    const message = Uint8Array.from({ length: len }, (_, i) => i);
    assert.equal(halfSipHash24(publishedKey, message), Number.parseInt(value, 16), `${len} bytes`);
  }
});

test('HalfSipHash-2-4 agrees with the slow reference for any key and message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.uint8Array({ maxLength: 80 }), (key, message) => {
      assert.equal(halfSipHash24(key, message), slowHalfSipHash24(key, message));
    }),
    { numRuns: 2000 },
  );
});

test('hashing the first bytes of a longer array is hashing a copy of them', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(40),
      (key, all, n) => {
        const size = Math.min(n, all.length);
        assert.equal(halfSipHash24(key, all, size), slowHalfSipHash24(key, all.slice(0, size)));
      },
    ),
  );
});
