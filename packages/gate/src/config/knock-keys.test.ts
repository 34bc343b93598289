import assert from 'node:assert/strict';
import { chmodSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { DeviceId } from '@postern/protocol';
import { lastSlotOf, readKnockKeys, setLastSlot, writeKnockKeys } from './knock-keys.ts';
import { makePlace } from './testing.ts';

const DEVICE = '00112233445566778899aabbccddeeff' as DeviceId;
const key = (value: number): Uint8Array => new Uint8Array(32).fill(value);

test('keys come back as they were written, for root only, and no log shows them', () => {
  using place = makePlace();
  const file = place.path('knock.keys');
  assert.equal(readKnockKeys(file).size, 0);
  writeKnockKeys(file, new Map([[DEVICE, [key(1), key(2)]]]));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const read = readKnockKeys(file).get(DEVICE) ?? [];
  assert.deepEqual(
    read.map((it) => it[0]),
    [1, 2],
  );
  assert.doesNotMatch(inspect(read) + JSON.stringify(read), /01, ?1|0101/);
});

test('a file that others may read is refused, and so is one that is damaged, without a word of it', () => {
  using place = makePlace();
  const file = place.write('knock.keys', `${DEVICE} = ["${'ab'.repeat(31)}"]\n`);
  assert.throws(() => readKnockKeys(file), /64 lower-case hexadecimal digits are expected, but something else came/);
  writeKnockKeys(file, new Map([[DEVICE, [key(1)]]]));
  chmodSync(file, 0o640);
  assert.throws(() => readKnockKeys(file), /open to its group/);
});

test('the slot of the last knock is kept beside the keys, and writing them does not set it back', () => {
  using place = makePlace();
  const file = place.path('knock.keys');
  assert.equal(lastSlotOf(file), 0);
  writeKnockKeys(file, new Map());
  const slot = lastSlotOf(file) + 100;
  setLastSlot(file, slot);
  assert.equal(lastSlotOf(file), slot);
  writeKnockKeys(file, new Map([[DEVICE, [key(1)]]]));
  assert.equal(lastSlotOf(file), slot);
});

test('writing keys notes no slot: a clock that was wrong then must not use up the slots of years', () => {
  using place = makePlace();
  const file = place.path('knock.keys');
  writeKnockKeys(file, new Map());
  assert.equal(lastSlotOf(file), 0);
  setLastSlot(file, 60_000_000);
  writeKnockKeys(file, new Map());
  assert.equal(lastSlotOf(file), 60_000_000);
});
