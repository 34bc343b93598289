import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { CipherSuite, HkdfSha256, type KemInterface } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { XWing } from '@hpke/hybridkem-x-wing';
import fc from 'fast-check';
import { ascii, fromHex, toHex } from './bytes.ts';
import { aeadOpen, aeadSeal, importX25519Private, x25519PublicOf } from './crypto.ts';
import { encapsulateTo, importStaticPrivate, importStaticPublic, receive } from './gate-static.ts';
import { contextOf, dhKemDecapsulate, dhKemEncapsulate, exportSecret, open, schedule, seal } from './hpke.ts';
import type { Suite } from './layout.ts';
import { readVectors } from './testdata/read-vectors.ts';
import { seeded } from './testdata/seeded.ts';

interface Published {
  setup: {
    info: string;
    pkEm: string;
    skEm: string;
    pkRm: string;
    skRm: string;
    enc: string;
    shared_secret: string;
    key_schedule_context: string;
    key: string;
    base_nonce: string;
    exporter_secret: string;
  };
  encryptions: { 'sequence number': string; pt: string; aad: string; nonce: string; ct: string }[];
  exports: { exporter_context: string; L: string; exported_value: string }[];
}

const { setup, encryptions, exports } = readVectors('hpke.json') as Published;
const publishedSchedule = schedule(0x0020, fromHex(setup.info));
const published = contextOf(publishedSchedule, fromHex(setup.shared_secret));

test('the key schedule gives the published values', () => {
  assert.equal(toHex(publishedSchedule.context), setup.key_schedule_context);
  assert.equal(toHex(published.key), setup.key);
  assert.equal(toHex(published.nonce), setup.base_nonce);
  assert.equal(toHex(published.exporterSecret), setup.exporter_secret);
});

test('DHKEM(X25519) encapsulates and decapsulates the published shared secret', () => {
  const receiver = importX25519Private(fromHex(setup.skRm));
  assert.equal(toHex(x25519PublicOf(receiver)), setup.pkRm);
  const publicBytes = fromHex(setup.pkRm);
  const sent = dhKemEncapsulate(publicBytes, () => fromHex(setup.skEm));
  assert.equal(toHex(sent.enc), setup.enc);
  assert.equal(toHex(sent.sharedSecret), setup.shared_secret);
  const received = dhKemDecapsulate(receiver, publicBytes, fromHex(setup.enc));
  assert.ok(received !== undefined);
  assert.equal(toHex(received), setup.shared_secret);
});

test('the first message of a context is the published one, and its key and nonce give those that follow', () => {
  assert.equal(encryptions.length, 6);
  for (const { 'sequence number': number, pt, aad, nonce, ct } of encryptions) {
    assert.equal(toHex(aeadSeal(published.key, fromHex(nonce), fromHex(aad), fromHex(pt))), ct);
    assert.deepEqual(aeadOpen(published.key, fromHex(nonce), fromHex(aad), fromHex(ct)), fromHex(pt));
    if (number !== '0') continue;
    assert.equal(toHex(seal(published, fromHex(aad), fromHex(pt))), ct);
    assert.deepEqual(open(published, fromHex(aad), fromHex(ct)), fromHex(pt));
  }
});

test('exports are the published ones', () => {
  assert.equal(exports.length, 3);
  for (const { exporter_context, L, exported_value } of exports) {
    assert.equal(toHex(exportSecret(published, fromHex(exporter_context), Number(L))), exported_value);
  }
});

for (const suite of [1, 2] as const) {
  test(`suite ${suite}: what another implementation seals opens here, and the other way round`, async () => {
    const random = seeded(`hpke differential ${suite}`);
    for (let run = 0; run < 10; run++) {
      const secret = random(32);
      const gate = importStaticPrivate(suite, secret);
      const theirs = theirSuite(suite);
      const info = infoOf(suite, gate.public.audience);
      const aad = random(run);
      const plaintext = random(207 + run);
      const theirPublic = await theirs.kem.deserializePublicKey(bufferOf(gate.public.bytes));
      const sender = await theirs.createSenderContext({ recipientPublicKey: theirPublic, info });
      const ciphertext = await sender.seal(bufferOf(plaintext), bufferOf(aad));
      const ours = receive(gate, new Uint8Array(sender.enc));
      assert.ok(ours !== undefined);
      assert.deepEqual(open(ours, aad, new Uint8Array(ciphertext)), plaintext);
      const label = ascii('postern-receipt-v1');
      assert.deepEqual(exportSecret(ours, label, 32), new Uint8Array(await sender.export(bufferOf(label), 32)));

      const { enc, sharedSecret } = encapsulateTo(importStaticPublic(suite, gate.public.bytes), random);
      const sealed = seal(contextOf(gate.public.schedule, sharedSecret), aad, plaintext);
      const theirPrivate = await theirs.kem.deserializePrivateKey(bufferOf(secret));
      const recipientKey = suite === 1 ? theirPrivate : { privateKey: theirPrivate, publicKey: theirPublic };
      const recipient = await theirs.createRecipientContext({ recipientKey, enc: bufferOf(enc), info });
      assert.deepEqual(new Uint8Array(await recipient.open(bufferOf(sealed), bufferOf(aad))), plaintext);
    }
  });
}

test('an encapsulated key of small order or of the wrong size is no key, and no exception', () => {
  const gate = importStaticPrivate(1, seeded('small order')(32));
  for (const hex of [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ]) {
    assert.equal(receive(gate, fromHex(hex)), undefined, hex);
    assert.throws(() => encapsulateTo(importStaticPublic(1, fromHex(hex)), seeded('x')), RangeError, hex);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (enc) => {
      assert.equal(receive(gate, enc) === undefined, enc.length !== 32);
    }),
  );
});

test('a message opens under its own associated data and with all of its bytes only', () => {
  const aad = ascii('header');
  const sealed = seal(published, aad, ascii('text'));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const other = sealed.slice();
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(open(published, aad, other), undefined);
  }
  assert.equal(open(published, ascii('Header'), sealed), undefined);
  assert.equal(open(published, aad, sealed.subarray(1)), undefined);
  assert.equal(open(published, aad, new Uint8Array(0)), undefined);
});

function theirSuite(suite: Suite): CipherSuite {
  const kem: KemInterface = suite === 1 ? new DhkemX25519HkdfSha256() : new XWing();
  return new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Chacha20Poly1305() });
}

function infoOf(suite: Suite, audience: Uint8Array): ArrayBuffer {
  return bufferOf(fromHex(`${toHex(ascii('postern-spa-v1'))}0${suite}${toHex(audience)}`));
}

/** That library takes whole ArrayBuffers. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
