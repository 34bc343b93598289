import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readU32 } from '../bytes.ts';
import { hmacSha256 } from '../crypto.ts';
import { slowHmacSha256 } from '../testdata/slow-hmac.ts';
import { HmacTrial, trialKey } from './hmac-trial.ts';

const MOST = 1510;
const trial = new HmacTrial(MOST);
const words = (mac: Uint8Array): Int32Array => Int32Array.from({ length: 8 }, (_, i) => readU32(mac, 4 * i));
const bytes = (size: number, seed: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i * seed + seed);

test('for every length of text the mac is that of OpenSSL', () => {
  for (let size = 0; size <= MOST; size++) {
    const text = bytes(size, 7);
    const key = bytes(1 + (size % 136), 11);
    trial.load(text);
    assert.ok(trial.matches(trialKey(key), words(hmacSha256(key, text))), `${size} bytes`);
  }
});

test('for every length of key the mac is that of OpenSSL', () => {
  const text = bytes(171, 3);
  trial.load(text);
  for (let size = 1; size <= 136; size++) {
    const key = bytes(size, 5);
    assert.ok(trial.matches(trialKey(key), words(hmacSha256(key, text))), `${size} bytes`);
  }
});

test('the slow reference, which is written as the standards are, agrees for any key and text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 136 }), fc.uint8Array({ maxLength: 200 }), (key, text) => {
      trial.load(text);
      const mac = slowHmacSha256(key, text);
      assert.deepEqual(mac, hmacSha256(key, text));
      assert.ok(trial.matches(trialKey(key), words(mac)));
    }),
    { numRuns: 30 },
  );
});

test('one other bit anywhere, or no mac at all, is no match', () => {
  const key = bytes(64, 9);
  const text = bytes(171, 13);
  trial.load(text);
  const mac = words(hmacSha256(key, text));
  for (let bit = 0; bit < 256; bit++) {
    const other = mac.slice();
    other[bit >> 5] = (other[bit >> 5] ?? 0) ^ (1 << (bit & 31));
    assert.ok(!trial.matches(trialKey(key), other), `bit ${bit}`);
  }
  assert.ok(!trial.matches(trialKey(key), new Int32Array(0)));
  assert.ok(!trial.matches(trialKey(bytes(64, 10)), mac));
});

test('a text leaves nothing behind for the next one, and one that is too long is a RangeError', () => {
  const key = trialKey(bytes(20, 3));
  for (const size of [MOST, 0, 500, 55, 56, 64]) {
    trial.load(bytes(size, 17));
    assert.ok(trial.matches(key, words(hmacSha256(bytes(20, 3), bytes(size, 17)))), `${size} bytes`);
  }
  assert.throws(() => new HmacTrial(55).load(new Uint8Array(56)), RangeError);
});
