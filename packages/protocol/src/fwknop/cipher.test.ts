import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../bytes.ts';
import { aes256 } from '../crypto.ts';
import { anyKey, anyMode, anySalt } from '../testdata/fwknop-arbitrary.ts';
import { decrypt, encrypt, paddingOf } from './cipher.ts';

test('what is encrypted decrypts to itself with 1 to 16 bytes of padding', () => {
  fc.assert(
    fc.property(anyMode, anyKey, anySalt, fc.uint8Array({ maxLength: 100 }), (mode, key, salt, plaintext) => {
      const padded = decrypt(mode, key, salt, encrypt(mode, key, salt, plaintext));
      const padding = paddingOf(padded);
      assert.equal(padding, 16 - (plaintext.length % 16));
      assert.deepEqual(padded.subarray(0, padded.length - padding), plaintext);
    }),
  );
});

test('padding is what RFC 5652 says, and nothing else is', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 1, 2, 3, 16, 17), { minLength: 16, maxLength: 48 }), (all) => {
      const bytes = Uint8Array.from(all);
      const size = bytes.at(-1) ?? 0;
      const right = size >= 1 && size <= 16 && bytes.subarray(-size).every((byte) => byte === size);
      assert.equal(paddingOf(bytes), right ? size : 0);
    }),
    { numRuns: 2000 },
  );
  for (let size = 0; size < 256; size++) {
    assert.equal(paddingOf(new Uint8Array(272).fill(size)), size >= 1 && size <= 16 ? size : 0);
  }
});

test('the legacy mode knows the first 16 bytes of a key only, filled up with the digit 0', () => {
  const salt = new Uint8Array(8);
  const text = new Uint8Array(20);
  const short = Uint8Array.of(0x61, 0x62);
  const filled = new Uint8Array(16).fill(0x30);
  filled.set(short);
  const long = new Uint8Array(30).fill(0x31);
  long.set(filled);
  const expected = toHex(encrypt('cbc', filled, salt, text));
  for (const key of [short, filled, long]) assert.equal(toHex(encrypt('legacy', key, salt, text)), expected);
});

test('sizes that only a bug can make are RangeErrors', () => {
  const [key, iv] = [new Uint8Array(32), new Uint8Array(16)];
  assert.throws(() => aes256('decrypt', 'cbc', key, iv, new Uint8Array(15)), RangeError);
  assert.throws(() => aes256('decrypt', 'cbc', key.subarray(1), iv, iv), RangeError);
  assert.throws(() => aes256('decrypt', 'cbc', key, iv.subarray(1), iv), RangeError);
});
