import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { chacha20 as theirChaCha20, chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519 as theirEd25519, x25519 as theirX25519 } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as theirSha256 } from '@noble/hashes/sha2.js';
import { sha3_256, shake256 as theirShake256 } from '@noble/hashes/sha3.js';
import fc from 'fast-check';
import { concat, fromHex } from './bytes.ts';
import {
  aeadOpen,
  aeadSeal,
  chacha20,
  ed25519PublicOf,
  ed25519Sign,
  ed25519Verify,
  equal,
  hkdfExpand,
  hkdfExtract,
  hmacSha256,
  importEd25519Public,
  importEd25519Seed,
  importMlKemSeed,
  importX25519Private,
  mlKemDecapsulate,
  sha256,
  sha3,
  shake256,
  x25519,
  x25519PublicOf,
} from './crypto.ts';

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce12 = fc.uint8Array({ minLength: 12, maxLength: 12 });
const data = fc.uint8Array({ maxLength: 300 });

test('hashes, macs and key derivation agree with an independent implementation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), data, data, fc.integer({ min: 1, max: 200 }), (key, a, b, size) => {
      assert.deepEqual(sha256(a, b), theirSha256(concat(a, b)));
      assert.deepEqual(sha3(a, b), sha3_256(concat(a, b)));
      assert.deepEqual(shake256(a, size), theirShake256(a, { dkLen: size }));
      assert.deepEqual(hmacSha256(key, a, b), hmac(theirSha256, key, concat(a, b)));
      const prk = hkdfExtract(key, a);
      assert.deepEqual(prk, extract(theirSha256, a, key));
      assert.deepEqual(hkdfExpand(prk, size, a, b), expand(theirSha256, prk, concat(a, b), size));
    }),
  );
  assert.throws(() => hkdfExpand(new Uint8Array(32), 8161), RangeError);
  assert.throws(() => hkdfExpand(new Uint8Array(32), 0), RangeError);
});

test('ChaCha20 and ChaCha20-Poly1305 agree with an independent implementation', () => {
  fc.assert(
    fc.property(key32, nonce12, data, data, (key, nonce, aad, text) => {
      assert.deepEqual(chacha20(key, nonce, text), theirChaCha20(key, nonce, text));
      const sealed = aeadSeal(key, nonce, aad, text);
      assert.deepEqual(sealed, chacha20poly1305(key, nonce, aad).encrypt(text));
      assert.deepEqual(aeadOpen(key, nonce, aad, sealed), text);
    }),
  );
});

test('X25519 and Ed25519 agree with an independent implementation', () => {
  fc.assert(
    fc.property(key32, key32, data, (a, b, message) => {
      const secret = importX25519Private(a);
      const other = theirX25519.getPublicKey(b);
      assert.deepEqual(x25519PublicOf(secret), theirX25519.getPublicKey(a));
      assert.deepEqual(x25519(secret, other), theirX25519.getSharedSecret(a, other));
      const signer = importEd25519Seed(a);
      const signature = ed25519Sign(signer, message);
      assert.deepEqual(ed25519PublicOf(signer), theirEd25519.getPublicKey(a));
      assert.deepEqual(signature, theirEd25519.sign(message, a));
      assert.ok(ed25519Verify(importEd25519Public(ed25519PublicOf(signer)), message, signature));
      assert.ok(!ed25519Verify(importEd25519Public(ed25519PublicOf(signer)), concat(message, a), signature));
    }),
    { numRuns: 25 },
  );
});

test('bytes that cannot be a key, a signature or a ciphertext are no exception on the way in', () => {
  const secret = importX25519Private(new Uint8Array(32).fill(1));
  assert.equal(x25519(secret, new Uint8Array(32)), undefined);
  const noPoint = importEd25519Public(fromHex('02'.padEnd(64, '0')));
  assert.ok(!ed25519Verify(noPoint, new Uint8Array(3), new Uint8Array(64)));
  assert.ok(!ed25519Verify(noPoint, new Uint8Array(3), new Uint8Array(7)));
  assert.equal(mlKemDecapsulate(importMlKemSeed(new Uint8Array(64)), new Uint8Array(1087)), undefined);
  assert.equal(aeadOpen(new Uint8Array(32), new Uint8Array(12), new Uint8Array(0), new Uint8Array(15)), undefined);
});

test('sizes that only a bug can make are RangeErrors', () => {
  assert.throws(() => importX25519Private(new Uint8Array(31)), RangeError);
  assert.throws(() => x25519(importX25519Private(new Uint8Array(32).fill(1)), new Uint8Array(33)), RangeError);
  assert.throws(() => importMlKemSeed(new Uint8Array(32)), RangeError);
  assert.throws(() => importEd25519Seed(new Uint8Array(64)), RangeError);
  assert.throws(() => importEd25519Public(new Uint8Array(0)), RangeError);
  assert.throws(() => chacha20(new Uint8Array(32), new Uint8Array(8), new Uint8Array(1)), RangeError);
});

test('comparing takes any sizes', () => {
  assert.ok(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert.ok(!equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  assert.ok(!equal(Uint8Array.of(1, 2), Uint8Array.of(1)));
});

test('a private key that is printed shows nothing of itself', () => {
  const seed = new Uint8Array(32).fill(0xab);
  for (const secret of [importX25519Private(seed), importEd25519Seed(seed)]) {
    const text = inspect(secret, { depth: null, showHidden: true }) + JSON.stringify(secret);
    assert.doesNotMatch(text, /abab|171, ?171|q6ur/);
  }
});
