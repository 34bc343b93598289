import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { toHex } from './bytes.ts';
import { sha256 } from './crypto.ts';
import { importStaticPrivate, importStaticPublic, receive, STATIC_SIZE } from './gate-static.ts';
import { seeded } from './testdata/seeded.ts';

const random = seeded('gate static');

for (const suite of [1, 2] as const) {
  test(`suite ${suite}: a public key that was imported is the one that belongs to the private key`, () => {
    const secret = importStaticPrivate(suite, random(32));
    const imported = importStaticPublic(suite, secret.public.bytes);
    assert.equal(imported.bytes.length, STATIC_SIZE[suite]);
    assert.deepEqual(imported.hash, sha256(imported.bytes));
    assert.deepEqual(imported.audience, imported.hash.subarray(0, 16));
    assert.deepEqual(imported.schedule, secret.public.schedule);
    assert.deepEqual(imported.hash, secret.public.hash);
  });

  test(`suite ${suite}: a key of the wrong size is a RangeError, an encapsulated key of the wrong size no key`, () => {
    assert.throws(() => importStaticPublic(suite, random(STATIC_SIZE[suite] - 1)), RangeError);
    assert.throws(() => importStaticPrivate(suite, random(33)), RangeError);
    const secret = importStaticPrivate(suite, random(32));
    for (const size of [0, 31, 33, 1119, 1121]) assert.equal(receive(secret, random(size)), undefined);
    assert.equal(receive(secret, random(suite === 1 ? 1120 : 32)), undefined);
  });

  test(`suite ${suite}: a private key that is printed shows nothing of itself`, () => {
    const seed = random(32);
    const secret = importStaticPrivate(suite, seed);
    const text = inspect(secret, { depth: null, showHidden: true, maxArrayLength: null }) + JSON.stringify(secret);
    assert.ok(!text.includes([...seed.subarray(0, 6)].join(', ')));
    assert.ok(!text.replaceAll(' ', '').includes(toHex(seed.subarray(0, 6))));
  });
}

test('what a gate imported stays when the array that it was made of is used again', () => {
  const secret = importStaticPrivate(1, random(32));
  const shared = Buffer.from(secret.public.bytes);
  const imported = importStaticPublic(1, shared);
  shared.fill(0);
  assert.deepEqual(imported.bytes, secret.public.bytes);
});
