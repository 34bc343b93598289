import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ascii,
  concat,
  copyOf,
  fromHex,
  isZero,
  readU16,
  readU32,
  readU64,
  sized,
  toHex,
  writeU16,
  writeU32,
  writeU64,
} from './bytes.ts';

test('hexadecimal text and bytes are each other', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.equal(toHex(bytes), Buffer.from(bytes).toString('hex'));
      assert.deepEqual(fromHex(toHex(bytes)), bytes);
      assert.deepEqual(fromHex(toHex(bytes).toUpperCase()), bytes);
    }),
  );
});

test('text that is not hexadecimal is a TypeError, an odd number of digits a RangeError', () => {
  for (const text of ['0g', ' 00', '0x00', '00\n', 'é0']) assert.throws(() => fromHex(text), TypeError, text);
  assert.throws(() => fromHex('000'), RangeError);
});

test('integers are read as DataView reads them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 20 }), fc.nat(12), (bytes, n) => {
      const offset = Math.min(n, bytes.length - 8);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      assert.equal(readU16(bytes, offset), view.getUint16(offset));
      assert.equal(readU32(bytes, offset), view.getUint32(offset));
      const large = view.getBigUint64(offset);
      assert.equal(readU64(bytes, offset), large < 2n ** 53n ? Number(large) : undefined);
    }),
  );
});

test('integers that are written are read back, up to the largest', () => {
  const bytes = new Uint8Array(10);
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      writeU64(bytes, 2, value);
      assert.equal(readU64(bytes, 2), value);
      writeU32(bytes, 1, value % 2 ** 32);
      assert.equal(readU32(bytes, 1), value % 2 ** 32);
      writeU16(bytes, 3, value % 2 ** 16);
      assert.equal(readU16(bytes, 3), value % 2 ** 16);
    }),
  );
  writeU64(bytes, 0, Number.MAX_SAFE_INTEGER);
  assert.equal(toHex(bytes.subarray(0, 8)), '001fffffffffffff');
  assert.equal(readU64(fromHex('0020000000000000'), 0), undefined);
});

test('a number that does not fit, or has no room, is a RangeError and writes nothing', () => {
  const bytes = new Uint8Array(8);
  for (const value of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => {
      writeU64(bytes, 0, value);
    }, RangeError);
    assert.throws(() => {
      writeU32(bytes, 0, value);
    }, RangeError);
  }
  assert.throws(() => {
    writeU32(bytes, 0, 2 ** 32);
  }, RangeError);
  assert.throws(() => {
    writeU16(bytes, 0, 2 ** 16);
  }, RangeError);
  assert.throws(() => {
    writeU64(bytes, 1, 0);
  }, RangeError);
  assert.ok(isZero(bytes));
});

test('a copy shares no memory, whatever kind of array it was made of', () => {
  const buffer = Buffer.from([1, 2, 3]);
  const copy = copyOf(buffer, 1);
  buffer.fill(9);
  assert.deepEqual(copy, Uint8Array.of(2, 3));
});

test('parts are joined in order, ranges are looked at as asked, sizes and letters are checked', () => {
  assert.deepEqual(concat(ascii('ab'), new Uint8Array(0), ascii('c')), ascii('abc'));
  assert.ok(isZero(Uint8Array.of(1, 0, 0, 2), 1, 3));
  assert.ok(!isZero(Uint8Array.of(1, 0, 0, 2), 1));
  assert.throws(() => ascii('ü'), RangeError);
  assert.throws(() => sized(new Uint8Array(3), 4, 'a thing'), { message: 'a thing: 4 bytes expected, got 3' });
});
