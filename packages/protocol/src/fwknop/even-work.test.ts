/** Without an HMAC, what is done must not depend on what a stranger's bytes decrypt to. Counted in calls and blocks of OpenSSL's. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { ascii, concat } from '../bytes.ts';
import { BASE64, encodeBase64 } from '../base64.ts';
import { encrypt } from './cipher.ts';
import { findDigest } from './digest.ts';
import { FwknopKeyring } from './keyring.ts';
import { SALTED } from './seal.ts';

/** Runs `run` and says which functions of node:crypto were called, with how many blocks of their size to hash. */
function workOf(run: () => void): Record<string, number> {
  const work: Record<string, number> = {};
  const count = (name: string, by: number): void => void (work[name] = (work[name] ?? 0) + by);
  const { hash, createDecipheriv } = crypto;
  const sizes: Readonly<Record<string, readonly [block: number, tail: number]>> = {
    ...{ md5: [64, 9], sha1: [64, 9], sha256: [64, 9], sha384: [128, 17], sha512: [128, 17] },
    ...{ 'sha3-256': [136, 1], 'sha3-512': [72, 1] },
  };
  Object.assign(crypto, {
    hash: (name: string, data: Uint8Array, encoding: 'buffer') => {
      const [block = 1, tail = 0] = sizes[name] ?? [];
      count(`calls of ${name}`, 1);
      count(`blocks of ${name}`, Math.ceil((data.length + tail) / block));
      return hash(name, data, encoding);
    },
    createDecipheriv: (...args: Parameters<typeof createDecipheriv>) => {
      count(`decipher ${args[0]}`, 1);
      return createDecipheriv(...args);
    },
  });
  syncBuiltinESMExports();
  try {
    run();
  } finally {
    Object.assign(crypto, { hash, createDecipheriv });
    syncBuiltinESMExports();
  }
  return work;
}

const key = ascii('a key');
const salt = new Uint8Array(8);
const ring = new FwknopKeyring([{ kind: 'symmetric', key, mode: 'cbc', hmac: undefined }]);

/** A packet of 8 blocks whose plaintext is `plaintext`, with its padding or whatever is in its place. */
function packetOf(plaintext: Uint8Array): Uint8Array {
  assert.equal(plaintext.length, 128);
  // The block that encrypt pads with goes again.
  const ciphertext = encrypt('cbc', key, salt, plaintext).subarray(0, 128);
  return ascii(encodeBase64(concat(SALTED, salt, ciphertext), BASE64).slice(10));
}

test('padding, colons, digest and fields, however wrong, cost the same calls and the same blocks', () => {
  const fields = '0123456789012345:YWxpY2U:1700000000:3.0.0:1:MTI3LjAuMC4yLHRjcC8yMg';
  const digest = encodeBase64(crypto.hash('sha256', fields, 'buffer'), BASE64);
  const good = concat(ascii(`${fields}:${digest}`), new Uint8Array(18).fill(2)).subarray(0, 128);
  const texts: readonly Uint8Array[] = [
    new Uint8Array(128),
    new Uint8Array(128).fill(16),
    new Uint8Array(128).fill(0x3a),
    ascii('x'.repeat(127) + '\x01'),
    ascii('x'.repeat(126) + '\x02\x02'),
    ascii('x'.repeat(126) + '\x01\x02'),
    ascii(':' + 'x'.repeat(127)),
    ...Array.from({ length: 128 }, (_, at) => ascii('y'.repeat(at) + ':' + 'y'.repeat(127 - at))),
    ...Array.from({ length: 128 }, (_, at) => good.map((byte, i) => (i === at ? byte ^ 0x40 : byte))),
    // The digest is right and a field is not.
    ...['x'.repeat(83), `0123456789012345:${'x'.repeat(66)}`].map((wrong) =>
      concat(ascii(`${wrong}:${encodeBase64(crypto.hash('sha256', wrong, 'buffer'), BASE64)}`), Uint8Array.of(1)),
    ),
  ];
  let expected: Record<string, number> | undefined;
  for (const [index, text] of texts.entries()) {
    const packet = packetOf(text);
    const work = workOf(() => assert.deepEqual(ring.open(packet), { ok: false, reason: 'no-key' }, `text ${index}`));
    expected ??= work;
    assert.deepEqual(work, expected, `text ${index}`);
  }
  assert.equal(expected?.['decipher aes-256-cbc'], 1);
  assert.equal(expected['calls of sha3-512'], 2);
});

test('the blocks that are hashed are the same for every length of text and every place of the last colon', () => {
  for (let size = 16; size <= 320; size += 16) {
    const works = Array.from({ length: size }, (_, at) => {
      const text = new Uint8Array(size).fill(0x79);
      text[at] = 0x3a;
      return JSON.stringify(workOf(() => assert.equal(findDigest(text, size).colon, at)));
    });
    assert.equal(new Set(works).size, 1, `${size} bytes`);
  }
});
