import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { readU32 } from '../bytes.ts';
import { hmacSha256 } from '../crypto.ts';
import { engine, withEngine } from '../testdata/with-engine.ts';
import { HmacTrial, trialKey } from './hmac-trial.ts';
import { trialModule } from './hmac-trial-module.ts';
import { HmacTrials } from './hmac-trials.ts';

const MOST = 1510;
const trial = new HmacTrial(MOST);
const words = (mac: Uint8Array): Int32Array => Int32Array.from({ length: 8 }, (_, i) => readU32(mac, 4 * i));
const bytes = (size: number, seed: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i * seed + seed);
const trialsOf = (keys: readonly (Uint8Array | undefined)[]): HmacTrials =>
  HmacTrials.of(
    keys.map((key) => key && trialKey(key)),
    MOST,
  ) ?? assert.fail('this engine has no vectors');

const keysOf = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => bytes(1 + i * 7, 2 * i + 3));
const all = (keys: readonly unknown[]): number[] => keys.map((_, i) => i);

// First: the module is compiled once.
test('an engine without vectors, without memory or without WebAssembly does without', () => {
  const keys = keysOf(4).map(trialKey);
  const without = (what: keyof typeof engine): unknown => ({
    ...engine,
    [what]: function (): never {
      throw new RangeError(what);
    },
  });
  for (const other of [undefined, without('Module'), without('Memory'), without('Instance')])
    withEngine(other, () => assert.equal(HmacTrials.of(keys, MOST), undefined));
  assert.ok(HmacTrials.of(keys, MOST));
});

test('the module is valid, the same each time, and small', () => {
  assert.ok(engine.validate(trialModule()));
  assert.deepEqual(trialModule(), trialModule());
  assert.ok(trialModule().length < 5000);
});

test('for every length of text and every number of keys up to 20 the mac is that of OpenSSL', () => {
  const keys = keysOf(20);
  const trials = Array.from({ length: 20 }, (_, count) => trialsOf(keys.slice(0, count + 1)));
  for (let size = 0; size <= MOST; size++) {
    const text = bytes(size, 7);
    trial.load(text);
    const count = 1 + (size % 20);
    const right = (size * 31) % count;
    const mac = words(hmacSha256(keys[right] ?? assert.fail(), text));
    assert.deepEqual(trials[count - 1]?.matching(trial, mac, all(keys.slice(0, count))), [right], `${size} bytes`);
  }
});

test('for every length of key the mac is that of OpenSSL', () => {
  const text = bytes(171, 3);
  trial.load(text);
  const keys = Array.from({ length: 136 }, (_, i) => bytes(i + 1, 5));
  const trials = trialsOf(keys);
  for (const [i, key] of keys.entries())
    assert.deepEqual(trials.matching(trial, words(hmacSha256(key, text)), all(keys)), [i]);
});

test('whatever is selected, what matches is what matches one by one', () => {
  const anyKeys = fc.array(fc.option(fc.uint8Array({ minLength: 1, maxLength: 136 }), { nil: undefined }), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(
      anyKeys,
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(),
      fc.infiniteStream(fc.boolean()),
      (some, text, n, coins) => {
        // Some keys are there twice, as in stanzas that share one.
        const keys = [...some, ...some.slice(0, n % 4)];
        const trials = trialsOf(keys);
        trial.load(text);
        const mac = words(hmacSha256(keys[n % keys.length] ?? Uint8Array.of(1), text));
        const selected = all(keys).filter((i) => keys[i] !== undefined && coins.next().value === true);
        const expected = selected.filter((i) => trial.matches(trialKey(keys[i] ?? assert.fail()), mac));
        assert.deepEqual(trials.matching(trial, mac, selected), expected);
      },
    ),
    { numRuns: 300 },
  );
});

test('one other bit anywhere, or no mac at all, is no match', () => {
  const keys = keysOf(6);
  const trials = trialsOf(keys);
  const text = bytes(171, 13);
  trial.load(text);
  for (const [i, key] of keys.entries()) {
    const mac = words(hmacSha256(key, text));
    for (let bit = 0; bit < 256; bit++) {
      const other = mac.slice();
      other[bit >> 5] = (other[bit >> 5] ?? 0) ^ (1 << (bit & 31));
      assert.deepEqual(trials.matching(trial, other, all(keys)), [], `${i}, bit ${bit}`);
    }
    assert.deepEqual(trials.matching(trial, new Int32Array(0), all(keys)), []);
    assert.deepEqual(trials.matching(trial, mac, []), []);
    assert.deepEqual(trials.matching(trial, mac, [i]), [i]);
  }
});

test('a text leaves nothing behind for the next one', () => {
  const keys = keysOf(5);
  const trials = trialsOf(keys);
  for (const size of [MOST, 0, 500, 55, 56, 64]) {
    trial.load(bytes(size, 17));
    for (const [i, key] of keys.entries())
      assert.deepEqual(trials.matching(trial, words(hmacSha256(key, bytes(size, 17))), all(keys)), [i]);
  }
});

test('to select a key that is not there, or more than there are, is a RangeError', () => {
  const trials = trialsOf([bytes(3, 1), undefined, bytes(3, 2), bytes(3, 5)]);
  trial.load(bytes(100, 1));
  const mac = new Int32Array(8);
  for (const selected of [[1], [4], [-1], [0, 2, 3, 0, 2], [NaN]])
    assert.throws(() => trials.matching(trial, mac, selected), RangeError);
});

test('keys that are printed show nothing', () => {
  const trials = trialsOf(Array.from({ length: 4 }, () => new Uint8Array(32).fill(0xab)));
  assert.equal(inspect(trials, { depth: null, showHidden: true }), 'HmacTrials {}');
  assert.equal(JSON.stringify(trials), '{}');
});
