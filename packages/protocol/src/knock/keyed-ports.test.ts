import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServiceName, UnixMicros } from '../brand.ts';
import { concat, fromHex } from '../bytes.ts';
import { bytesOf } from '../testdata/arbitrary.ts';
import { readVectors } from '../testdata/read-vectors.ts';
import { seeded } from '../testdata/seeded.ts';
import { type KnockFile, serviceBytes, slowNumbers } from '../testdata/slow-keyed-ports.ts';
import { addressBytes } from '../testdata/world.ts';
import { boundPorts, judgeKeyed, KEYED, keyedPorts, knockOrder, liveSlots, slotOf } from './keyed-ports.ts';

const SSH = 'ssh' as ServiceName;
const { vectors } = readVectors('knock.json') as KnockFile;

test('the vectors: the same numbers in the same order', () => {
  assert.equal(vectors.length, 10);
  for (const { name, key, slot, service, address, numbers, bound } of vectors) {
    assert.deepEqual(keyedPorts(fromHex(key), slot, service as ServiceName), numbers, name);
    assert.deepEqual(boundPorts(fromHex(key), slot, service as ServiceName, addressBytes(address)), bound, name);
  }
});

test('any key, slot, service and address: the same as the slow derivation', () => {
  const service = fc.stringMatching(/^[a-z0-9-]{1,32}$/).map((name) => name as ServiceName);
  fc.assert(
    fc.property(bytesOf(32), fc.maxSafeNat(), service, bytesOf(16), (key, slot, name, address) => {
      const rest = serviceBytes(name);
      assert.deepEqual(keyedPorts(key, slot, name), slowNumbers(key, 'ports', slot, rest, 20));
      assert.deepEqual(
        boundPorts(key, slot, name, address),
        slowNumbers(key, 'bound', slot, concat(rest, address), 12),
      );
    }),
    { numRuns: 100 },
  );
});

test('each number comes from equally many words: the draw has no bias', () => {
  const words = new Map<number, number>();
  // The rule of the derivation, for every word that there is.
  for (let word = 0; word < 0x1_0000; word++)
    if (word < 63_488) words.set(1024 + (word % 31_744), (words.get(1024 + (word % 31_744)) ?? 0) + 1);
  assert.equal(words.size, KEYED.range);
  assert.ok([...words].every(([number, count]) => count === 2 && number >= 1024 && number <= 32_767));
});

test('many sets: 20 distinct numbers each, and all numbers about equally often', () => {
  const counts = new Uint32Array(KEYED.range);
  const key = seeded('many sets')(32);
  const sets = 4000;
  for (let slot = 0; slot < sets; slot++) {
    const numbers = keyedPorts(key, slot, SSH);
    assert.equal(new Set(numbers).size, KEYED.numbers);
    for (const number of numbers) counts[number - KEYED.first] = (counts[number - KEYED.first] ?? 0) + 1;
  }
  // 256 cells of 124 numbers: chi-square with 255 degrees of freedom is within 5 deviations of its mean.
  const cells = Array.from({ length: 256 }, (_, cell) =>
    counts.subarray(cell * 124, (cell + 1) * 124).reduce((a, b) => a + b, 0),
  );
  const expected = (sets * KEYED.numbers) / 256;
  const chi = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  assert.ok(Math.abs(chi - 255) < 5 * Math.sqrt(2 * 255), `chi-square ${chi}`);
});

test('slots are thirty seconds, and three are live', () => {
  const at = (seconds: number): UnixMicros => (seconds * 1_000_000) as UnixMicros;
  assert.deepEqual(
    [0, 29.999999, 30, 59, 60].map((seconds) => slotOf(at(seconds))),
    [0, 0, 1, 1, 2],
  );
  assert.deepEqual(liveSlots(at(300)), [9, 10, 11]);
  assert.deepEqual(liveSlots(at(5)), [0, 0, 1]);
});

test('the judgement: k of the set, and of the set of this very address', () => {
  const key = seeded('judge')(32);
  const address = addressBytes('192.0.2.7');
  const numbers = keyedPorts(key, 7, SSH);
  const bound = boundPorts(key, 7, SSH, address);
  const judge = (heard: readonly number[], changes: object = {}): string | undefined =>
    judgeKeyed({ numbers: heard, key, slot: 7, service: SSH, address, ...changes });
  const noise = [1, 2, 3, 40_000];
  assert.equal(judge([...noise, ...numbers.slice(0, 12)]), 'observed');
  assert.equal(judge([...noise, ...numbers.slice(0, 11), ...bound]), undefined);
  assert.equal(judge([...numbers.slice(8), ...bound.slice(0, 6)]), 'observed');
  assert.equal(judge([...numbers.slice(8), ...bound.slice(5)]), 'bound');
  assert.equal(
    judge([...numbers.slice(0, 11), ...Array<number>(9).fill(numbers[0] ?? 0)]),
    undefined,
    'repeats are one',
  );
  assert.equal(judge([...numbers, ...bound], { address: addressBytes('192.0.2.8') }), 'observed');
  for (const other of [{ slot: 8 }, { service: 'web' }, { key: new Uint8Array(32) }])
    assert.equal(judge([...numbers, ...bound], other), undefined);
});

test('the order of sending: every number once, three of the first set first, and another order each time', () => {
  const key = seeded('order')(32);
  const numbers = keyedPorts(key, 7, SSH);
  const bound = [...boundPorts(key, 7, SSH, addressBytes('192.0.2.7')), numbers[0] ?? 0];
  const random = seeded('shuffle');
  const orders = Array.from({ length: 50 }, () => knockOrder(numbers, bound, random));
  for (const order of orders) {
    assert.deepEqual(order.toSorted(), [...new Set([...numbers, ...bound])].sort());
    assert.ok(order.slice(0, 3).every((number) => numbers.includes(number)));
  }
  assert.equal(new Set(orders.map((order) => order.join())).size, 50);
  assert.deepEqual(knockOrder(numbers, [], random).toSorted(), numbers.toSorted());
});

test('wrong sizes are refused', () => {
  const key = new Uint8Array(32);
  assert.throws(() => keyedPorts(key.subarray(1), 0, SSH), RangeError);
  assert.throws(() => keyedPorts(key, -1, SSH), RangeError);
  assert.throws(() => keyedPorts(key, 0.5, SSH), RangeError);
  assert.throws(() => keyedPorts(key, 0, 'a'.repeat(33) as ServiceName), RangeError);
  assert.throws(() => boundPorts(key, 0, SSH, new Uint8Array(4)), RangeError);
});
