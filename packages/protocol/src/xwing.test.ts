import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ml_kem768_x25519 as theirs } from '@noble/post-quantum/hybrid.js';
import { fromHex, toHex } from './bytes.ts';
import { readVectors } from './testdata/read-vectors.ts';
import { seeded } from './testdata/seeded.ts';
import { importXWingPrivate, importXWingPublic, XWING, xWingDecapsulate, xWingEncapsulate } from './xwing.ts';

const published = (
  readVectors('xwing.json') as {
    vectors: { seed: string; eseed: string; ss: string; sk: string; pk: string; ct: string }[];
  }
).vectors;

test('X-Wing expands every published seed to its public key and decapsulates its ciphertext', () => {
  assert.equal(published.length, 3);
  for (const { seed, sk, pk, ct, ss } of published) {
    assert.equal(seed, sk);
    const key = importXWingPrivate(fromHex(sk));
    assert.equal(toHex(key.publicBytes), pk);
    assert.deepEqual(xWingDecapsulate(key, fromHex(ct)), fromHex(ss));
  }
});

test('the oracle of our own suite 2 vectors encapsulates the published ciphertexts', () => {
  for (const { pk, eseed, ct, ss } of published) {
    const { cipherText, sharedSecret } = theirs.encapsulate(fromHex(pk), fromHex(eseed));
    assert.equal(toHex(cipherText), ct);
    assert.equal(toHex(sharedSecret), ss);
  }
});

test('X-Wing agrees with an independent implementation in both directions', () => {
  const random = seeded('x-wing differential');
  for (let run = 0; run < 20; run++) {
    const seed = random(32);
    const key = importXWingPrivate(seed);
    assert.deepEqual(key.publicBytes, new Uint8Array(theirs.getPublicKey(seed)));
    const ours = xWingEncapsulate(importXWingPublic(key.publicBytes), random);
    assert.equal(ours.enc.length, XWING.ciphertext);
    assert.deepEqual(new Uint8Array(theirs.decapsulate(ours.enc, seed)), ours.sharedSecret);
    const { cipherText, sharedSecret } = theirs.encapsulate(key.publicBytes, random(64));
    assert.deepEqual(xWingDecapsulate(key, cipherText), new Uint8Array(sharedSecret));
  }
});

test('a forged X-Wing ciphertext gives another secret, and one of the wrong size or small order none', () => {
  const random = seeded('x-wing forged');
  const key = importXWingPrivate(random(32));
  const { enc, sharedSecret } = xWingEncapsulate(importXWingPublic(key.publicBytes), random);
  for (const bit of [0, 8 * 500, 8 * 1087 + 7, 8 * 1088, 8 * 1119]) {
    const forged = enc.slice();
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const secret = xWingDecapsulate(key, forged);
    assert.ok(secret !== undefined);
    assert.notDeepEqual(secret, sharedSecret);
  }
  assert.equal(xWingDecapsulate(key, enc.subarray(1)), undefined);
  const smallOrder = enc.slice();
  smallOrder.fill(0, 1088);
  assert.equal(xWingDecapsulate(key, smallOrder), undefined);
});

test('an X-Wing public key of the wrong size, with a coefficient too large or of small order is refused', () => {
  const { publicBytes } = importXWingPrivate(seeded('x-wing bad')(32));
  assert.throws(() => importXWingPublic(publicBytes.subarray(1)), RangeError);
  assert.throws(() => importXWingPrivate(new Uint8Array(31)), RangeError);
  const large = publicBytes.slice();
  large.fill(0xff, 0, 3);
  assert.throws(() => importXWingPublic(large), { name: 'RangeError', message: /not a valid encapsulation key/ });
  const smallOrder = publicBytes.slice();
  smallOrder.fill(0, 1184);
  assert.throws(() => xWingEncapsulate(importXWingPublic(smallOrder), seeded('x')), RangeError);
});
