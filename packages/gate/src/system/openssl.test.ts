import assert from 'node:assert/strict';
import {
  createCipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes,
} from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  importStaticPrivate,
  importStaticPublic,
  sealRequest,
  takeShortcuts,
  unsealRequest,
  deriveEpochKeys,
  deviceIdOf,
  importSigner,
  type RequestId,
  type UnixMicros,
} from '@postern/protocol';
import { openSslShortcuts } from './openssl.ts';

const shortcuts = openSslShortcuts() ?? assert.fail('this Node does not have them');
const bytes = (size: number): Uint8Array => new Uint8Array(randomBytes(size));

test('HMAC-SHA256 is that of node:crypto, for keys and data of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 2000 }), (key, data) => {
      assert.deepEqual(
        shortcuts.hmacSha256(key, data),
        new Uint8Array(createHmac('sha256', key).update(data).digest()),
      );
    }),
  );
});

test('SHA-256 is that of node:crypto, for data of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (data) => {
      assert.deepEqual(shortcuts.sha256(data), new Uint8Array(createHash('sha256').update(data).digest()));
    }),
  );
});

const exactly = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

test('ChaCha20 is that of node:crypto, for data of any length', () => {
  fc.assert(
    fc.property(exactly(32), exactly(16), fc.uint8Array({ maxLength: 2000 }), (key, iv, data) => {
      const expected = createCipheriv('chacha20', key, iv).update(data);
      assert.deepEqual(shortcuts.chacha20(key, iv, data), new Uint8Array(expected));
    }),
  );
});

test('ChaCha20-Poly1305 opens what node:crypto sealed, and nothing in which a bit is another', () => {
  const any = fc.uint8Array({ maxLength: 400 });
  fc.assert(
    fc.property(exactly(32), exactly(12), any, any, fc.nat(), (key, nonce, aad, text, bit) => {
      const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
      cipher.setAAD(aad, { plaintextLength: text.length });
      const sealed = new Uint8Array(Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]));
      assert.deepEqual(shortcuts.aeadOpen(key, nonce, aad, sealed), text);
      const flipped = (bytes: Uint8Array): Uint8Array => {
        const other = bytes.slice();
        const at = bit % (8 * bytes.length);
        other[at >> 3] = (other[at >> 3] ?? 0) ^ (1 << (at & 7));
        return other;
      };
      assert.equal(shortcuts.aeadOpen(key, nonce, aad, flipped(sealed)), undefined);
      assert.equal(shortcuts.aeadOpen(flipped(key), nonce, aad, sealed), undefined);
      assert.equal(shortcuts.aeadOpen(key, flipped(nonce), aad, sealed), undefined);
      if (aad.length > 0) assert.equal(shortcuts.aeadOpen(key, nonce, flipped(aad), sealed), undefined);
      assert.equal(shortcuts.aeadOpen(key, nonce, Uint8Array.of(...aad, 0), sealed), undefined);
      assert.deepEqual(shortcuts.aeadOpen(key, nonce, aad, sealed), text);
    }),
  );
});

test('X25519 is that of node:crypto, for any public key', () => {
  const publicKey = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const imported = (key: Uint8Array, format: string): unknown => ({
    key: Buffer.from(key),
    format,
    asymmetricKeyType: 'x25519',
  });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.array(publicKey), (secret, peers) => {
      const agree = shortcuts.x25519(secret);
      const own = createPrivateKey(imported(secret, 'raw-private') as Parameters<typeof createPrivateKey>[0]);
      for (const peer of peers) {
        const other = createPublicKey(imported(peer, 'raw-public') as Parameters<typeof createPublicKey>[0]);
        assert.deepEqual(agree(peer), new Uint8Array(diffieHellman({ privateKey: own, publicKey: other })));
      }
    }),
  );
});

test('a point of small order gives no secret, and the key goes on', () => {
  const agree = shortcuts.x25519(bytes(32));
  const peer = bytes(32);
  const expected = agree(peer);
  assert.ok(expected);
  for (const small of [
    new Uint8Array(32),
    Uint8Array.of(1, ...new Uint8Array(31)),
    Uint8Array.from(Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex')),
  ]) {
    assert.equal(agree(small), undefined);
    assert.deepEqual(agree(peer), expected);
  }
});

test('what has another size is refused, and no byte beyond it is read', () => {
  const { x25519, chacha20, aeadOpen } = shortcuts;
  for (const size of [0, 11, 13, 15, 17, 31, 33]) {
    const wrong = bytes(size);
    assert.throws(() => x25519(wrong), RangeError);
    assert.throws(() => x25519(bytes(32))(wrong), RangeError);
    assert.throws(() => chacha20(wrong, bytes(16), bytes(9)), RangeError);
    assert.throws(() => chacha20(bytes(32), wrong, bytes(9)), RangeError);
    assert.throws(() => aeadOpen(wrong, bytes(12), bytes(9), bytes(99)), RangeError);
    assert.throws(() => aeadOpen(bytes(32), wrong, bytes(9), bytes(99)), RangeError);
  }
  assert.equal(aeadOpen(bytes(32), bytes(12), bytes(9), bytes(15)), undefined);
});

test('they keep no memory', () => {
  const agree = shortcuts.x25519(bytes(32));
  const [peer, small] = [bytes(32), new Uint8Array(32)];
  const resident = (): number => process.memoryUsage.rss();
  const work = (): void => {
    for (let i = 0; i < 20_000; i++) {
      agree(i % 10 === 0 ? small : peer);
      shortcuts.hmacSha256(peer, small);
      shortcuts.sha256(peer);
      shortcuts.aeadOpen(peer, small.subarray(0, 12), small, peer);
    }
  };
  work();
  const before = resident();
  work();
  work();
  assert.ok(resident() - before < 8 << 20, `${String((resident() - before) >> 20)} MB more after 40,000 agreements`);
});

for (const suite of [1, 2] as const) {
  test(`suite ${String(suite)}: what was sealed by one way opens by the other`, (context) => {
    context.after(() => {
      takeShortcuts(undefined);
    });
    const secret = bytes(32);
    const signer = importSigner(bytes(32));
    for (const [sealing, opening] of [
      [undefined, shortcuts],
      [shortcuts, undefined],
      [shortcuts, shortcuts],
    ]) {
      takeShortcuts(sealing);
      const gate = importStaticPublic(suite, importStaticPrivate(suite, secret).public.bytes);
      const keys = deriveEpochKeys(secret, 0);
      const { packet, receiptKey } = sealRequest({
        gate,
        keys,
        statement: {
          kind: 'whoami',
          singleUse: false,
          device: deviceIdOf(signer.publicKey),
          era: 0,
          time: 0 as UnixMicros,
          stateId: bytes(8),
          requestId: '0000000000000000' as RequestId,
          audience: gate.audience,
          source: { type: 'observed' },
          seconds: 0,
          service: undefined,
          newDevice: undefined,
        },
        signer,
        random: bytes,
      });
      takeShortcuts(opening);
      const statics = { 1: importStaticPrivate(1, secret), 2: importStaticPrivate(2, secret) };
      const opened = unsealRequest(packet, keys.mask, statics);
      assert.ok(opened.ok);
      assert.deepEqual(new Uint8Array(opened.value.receiptKey), new Uint8Array(receiptKey));
    }
  });
}
