import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import { TokenBucket } from './token-bucket.ts';

test('no interval sees more than the burst and what the rate adds in it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.nat(2 * MICROS_PER_SECOND), { maxLength: 200 }),
      (perSecond, burst, gaps) => {
        const bucket = new TokenBucket(perSecond, burst, 0 as UnixMicros);
        let now = 0;
        let taken = 0;
        for (const gap of gaps) {
          now += gap;
          if (bucket.take(now as UnixMicros)) taken++;
          assert.ok(taken <= burst + (now / MICROS_PER_SECOND) * perSecond + 1e-6);
        }
      },
    ),
  );
});

test('a clock that goes back gives nothing, and a bucket that rests is full again', () => {
  const bucket = new TokenBucket(1, 2, 10_000_000 as UnixMicros);
  assert.ok(bucket.take(10_000_000 as UnixMicros));
  assert.ok(bucket.take(5_000_000 as UnixMicros));
  assert.ok(!bucket.take(5_000_000 as UnixMicros));
  assert.ok(!bucket.idle(6_000_000 as UnixMicros));
  assert.ok(bucket.idle(7_000_000 as UnixMicros));
  assert.ok(bucket.take(6_000_000 as UnixMicros));
});
