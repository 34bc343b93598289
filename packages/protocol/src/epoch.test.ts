import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import type { UnixMicros } from './brand.ts';
import { ascii, concat } from './bytes.ts';
import { deriveEpochKeys, epochOf, heldEpochs, nextTurn } from './epoch.ts';

const SECOND = 1_000_000;
const instant = fc.integer({ min: 8192 * SECOND, max: 2 ** 51 }).map((micros) => micros as UnixMicros);

test('an epoch is 8,192 seconds', () => {
  assert.equal(epochOf(0 as UnixMicros), 0);
  assert.equal(epochOf((8192 * SECOND - 1) as UnixMicros), 0);
  assert.equal(epochOf((8192 * SECOND) as UnixMicros), 1);
});

test('the gate holds the last and this epoch in the first half of an epoch, this and the next in the second', () => {
  const start = 1000 * 8192 * SECOND;
  const half = 4096 * SECOND;
  assert.deepEqual(heldEpochs(start as UnixMicros), [999, 1000]);
  assert.deepEqual(heldEpochs((start + half - 1) as UnixMicros), [999, 1000]);
  assert.deepEqual(heldEpochs((start + half) as UnixMicros), [1000, 1001]);
  assert.deepEqual(heldEpochs((start + 2 * half - 1) as UnixMicros), [1000, 1001]);
  assert.deepEqual(heldEpochs(0 as UnixMicros), [0, 1]);
});

test('a sender whose clock is off by up to 4,096 seconds is heard, and by 8,192 or more it is not', () => {
  fc.assert(
    fc.property(instant, fc.integer({ min: -4096 * SECOND, max: 4096 * SECOND }), (now, off) => {
      assert.ok(heldEpochs(now).includes(epochOf((now + off) as UnixMicros)));
      assert.ok(!heldEpochs(now).includes(epochOf((now + 12288 * SECOND) as UnixMicros)));
    }),
  );
});

test('the held epochs change at the next turn and not before', () => {
  fc.assert(
    fc.property(instant, (now) => {
      const turn = nextTurn(now);
      assert.ok(turn > now && turn <= now + 8192 * SECOND);
      assert.deepEqual(heldEpochs((turn - 1) as UnixMicros), heldEpochs(now));
      assert.deepEqual(heldEpochs(turn), [heldEpochs(now)[0] + 1, heldEpochs(now)[1] + 1]);
    }),
  );
});

test('the keys of an epoch are expanded as an independent HKDF expands them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(0xffff_ffff), (gateKey, epoch) => {
      const prk = extract(sha256, gateKey, ascii('postern-spa-v1'));
      const number = Uint8Array.of(epoch >>> 24, epoch >>> 16, epoch >>> 8, epoch);
      const keys = deriveEpochKeys(gateKey, epoch);
      assert.deepEqual([...keys.tag], [...expand(sha256, prk, concat(ascii('tag'), number), 8)]);
      assert.deepEqual([...keys.mask], [...expand(sha256, prk, concat(ascii('mask'), number), 32)]);
      assert.deepEqual([...keys.mac], [...expand(sha256, prk, concat(ascii('mac'), number), 32)]);
    }),
  );
});

test('a gate key of the wrong size or an epoch out of range is a RangeError', () => {
  assert.throws(() => deriveEpochKeys(new Uint8Array(31), 1), RangeError);
  assert.throws(() => deriveEpochKeys(new Uint8Array(32), 2 ** 32), RangeError);
  assert.throws(() => deriveEpochKeys(new Uint8Array(32), -1), RangeError);
});
