import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UnixMicros } from './brand.ts';
import { RECEIPT } from './layout.ts';
import { openReceipt, type Receipt, sealReceipt } from './receipt.ts';
import { anyReceipt, bytesOf } from './testdata/arbitrary.ts';
import { seeded } from './testdata/seeded.ts';

test('opening what was sealed gives the same receipt, in 128 bytes whatever it says', () => {
  fc.assert(
    fc.property(bytesOf(32), bytesOf(16), bytesOf(12), anyReceipt, (key, mac, nonce, receipt) => {
      const bytes = sealReceipt(key, mac, receipt, nonce);
      assert.equal(bytes.length, RECEIPT.size);
      const opened = openReceipt(key, mac, bytes);
      assert.deepEqual({ ...opened, nextKey: opened?.nextKey && Uint8Array.from(opened.nextKey) }, receipt);
    }),
  );
});

test('every bit of a receipt counts, and so do its key and the mac of its request', () => {
  const random = seeded('receipt bits');
  const [key, mac, nonce] = [random(32), random(16), random(12)];
  const receipt: Receipt = {
    status: 'ok',
    address: random(16),
    end: 1_800_000_030_000_000 as UnixMicros,
    now: 1_800_000_000_000_000 as UnixMicros,
    era: 7,
    stateId: random(8),
    nextKey: undefined,
  };
  const bytes = sealReceipt(key, mac, receipt, nonce);
  assert.notEqual(openReceipt(key, mac, bytes), undefined);
  for (const [what, size] of [
    ['receipt', 128],
    ['key', 32],
    ['mac', 16],
  ] as const) {
    for (let bit = 0; bit < size * 8; bit++) {
      const parts = { receipt: bytes.slice(), key: key.slice(), mac: mac.slice() };
      parts[what][bit >> 3] = (parts[what][bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(openReceipt(parts.key, parts.mac, parts.receipt), undefined, `${what} bit ${bit}`);
    }
  }
});

test('arbitrary bytes are no receipt and no exception', () => {
  const random = seeded('arbitrary receipts');
  const [key, mac] = [random(32), random(16)];
  for (let run = 0; run < 20_000; run++) {
    const bytes = random(run % 16 === 0 ? run % 260 : RECEIPT.size);
    assert.equal(openReceipt(key, mac, bytes), undefined);
  }
});

test('a field of the wrong size or range is a RangeError when sealed', () => {
  const random = seeded('bad receipts');
  const good: Receipt = {
    status: 'clock',
    address: random(16),
    end: 0 as UnixMicros,
    now: 1 as UnixMicros,
    era: 0,
    stateId: random(8),
    nextKey: random(32),
  };
  const wrong: Partial<Receipt>[] = [
    { address: random(4) },
    { end: -1 as UnixMicros },
    { now: 0.5 as UnixMicros },
    { era: 2 ** 32 },
    { stateId: random(9) },
    { nextKey: random(31) },
  ];
  for (const changes of wrong) {
    assert.throws(() => sealReceipt(random(32), random(16), { ...good, ...changes }, random(12)), RangeError);
  }
  assert.throws(() => sealReceipt(random(32), random(16), good, random(11)), RangeError);
});
