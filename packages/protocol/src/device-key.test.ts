import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { fromHex, toHex } from './bytes.ts';
import { sha256 } from './crypto.ts';
import { deviceIdOf, importSigner, importVerifier } from './device-key.ts';
import { seeded } from './testdata/seeded.ts';

const PRIME = 2n ** 255n - 19n;

test('a signer is that of RFC 8032 and its verifier knows its signatures', () => {
  const signer = importSigner(fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'));
  assert.equal(toHex(signer.publicKey), '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
  const signature = signer.sign(Uint8Array.of(0x72));
  assert.equal(
    toHex(signature),
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
  const verifier = importVerifier(signer.publicKey);
  assert.ok(verifier !== undefined);
  assert.ok(verifier.verifies(Uint8Array.of(0x72), signature));
  assert.ok(!verifier.verifies(Uint8Array.of(0x73), signature));
  assert.equal(verifier.device, deviceIdOf(signer.publicKey));
  assert.equal(verifier.device, toHex(sha256(signer.publicKey)).slice(0, 32));
});

test('a key for which anyone can sign, or that has a second encoding, has no verifier', () => {
  const small = ed25519.Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa');
  assert.ok(small.isSmallOrder());
  let point = ed25519.Point.ZERO;
  for (let i = 0; i < 8; i++, point = point.add(small)) {
    const bytes = point.toBytes();
    assert.equal(importVerifier(bytes), undefined, toHex(bytes));
    const otherSign = bytes.slice();
    otherSign[31] = (otherSign[31] ?? 0) ^ 0x80;
    assert.equal(importVerifier(otherSign), undefined, toHex(otherSign));
  }
  for (let y = PRIME - 1n; y < 2n ** 255n; y++) {
    assert.equal(importVerifier(littleEndian(y)), undefined, y.toString(16));
    assert.equal(importVerifier(littleEndian(y + 2n ** 255n)), undefined, y.toString(16));
  }
  assert.notEqual(importVerifier(littleEndian(PRIME - 2n)), undefined);
});

test('bytes of another size have no verifier, and no id', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      if (bytes.length === 32) return;
      assert.equal(importVerifier(bytes), undefined);
      assert.throws(() => deviceIdOf(bytes), RangeError);
    }),
  );
});

test('32 bytes that are no point verify nothing and throw nothing', () => {
  const random = seeded('no point');
  for (let i = 0; i < 50; i++) {
    assert.notEqual(importVerifier(random(32))?.verifies(random(207), random(64)), true);
  }
});

test('a verifier keeps its key when the array that it was made of is used again', () => {
  const signer = importSigner(seeded('reuse')(32));
  const shared = Buffer.from(signer.publicKey);
  const verifier = importVerifier(shared);
  shared.fill(0);
  assert.ok(verifier?.verifies(Uint8Array.of(1), signer.sign(Uint8Array.of(1))));
});

function littleEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, '0')).reverse();
}
