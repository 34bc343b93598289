import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { PersonError } from '@postern/terminal';
import { parseFwknopLine } from './command-line.ts';
import { formatKeys, newKeys } from './key-gen.ts';
import { fromBase64, readKeys } from './keys.ts';
import { formatQrText, parseQrText } from './qr-text.ts';
import { layered } from './variables.ts';

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('utf8');

function keysOf(
  line: readonly string[],
  answers: string[] = [],
  lines: readonly string[] = [],
): (string | undefined)[] {
  const input = { ask: () => answers.shift() ?? assert.fail('asked too often'), lines: () => lines };
  const { key, hmac } = readKeys(layered(parseFwknopLine(line).assignments), input);
  return [text(key), text(hmac)];
}

test('keys come from the command line, lines of a descriptor, or are asked for', () => {
  assert.deepEqual(keysOf(['--key-rijndael', 'a', '--key-hmac', 'b']), ['a', 'b']);
  assert.deepEqual(keysOf(['--key-base64-rijndael', 'YQ==']), ['a', undefined]);
  assert.deepEqual(keysOf(['--key-base64-rijndael', 'YQ', '--use-hmac'], ['b']), ['a', 'b']);
  assert.deepEqual(keysOf(['--use-hmac'], ['a', 'b']), ['a', 'b']);
  assert.deepEqual(keysOf(['--stdin', '--use-hmac'], [], ['a', 'b', '']), ['a', 'b']);
  assert.deepEqual(keysOf(['--fd', '3'], [], ['a']), ['a', undefined]);
  assert.throws(() => keysOf(['--stdin', '--use-hmac'], [], ['a', '']), /no HMAC key came from descriptor 0/);
});

test('a key of the wrong size, a wrong base64, and one key for both are refused without being shown', () => {
  const refused = (line: readonly string[]): string => {
    try {
      keysOf(line);
    } catch (error) {
      assert.ok(error instanceof PersonError);
      return error.message;
    }
    assert.fail('it was taken');
  };
  assert.equal(refused(['--key-rijndael', 'x'.repeat(33)]), '--key-rijndael: a key of 1 to 32 bytes expected, not 33');
  assert.match(refused(['--key-rijndael', 'a', '--key-hmac', 'x'.repeat(129)]), /1 to 128 bytes expected, not 129/);
  assert.equal(refused(['--key-base64-rijndael', 'sesame!']), '--key-base64-rijndael: base64 expected');
  assert.match(refused(['--key-rijndael', 'same', '--key-hmac', 'same']), /are the same/);
});

test('a file has a key by server, to the end of its line, and must be private', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-keys-'));
  const path = join(directory, 'keys');
  const other = join(directory, 'hmac');
  try {
    writeFileSync(path, '# keys\n192.0.2.1: a key; with # all\ngate : two\n', { mode: 0o600 });
    writeFileSync(other, 'gate: hmac\n', { mode: 0o600 });
    assert.deepEqual(keysOf(['-G', path, '-D', '192.0.2.1']), ['a key; with # all', undefined]);
    assert.deepEqual(keysOf(['-G', path, '--get-hmac-key', other, '-D', 'gate']), ['two', 'hmac']);
    assert.throws(() => keysOf(['-G', path, '-D', 'nobody']), /has no key for nobody/);
    assert.throws(() => keysOf(['-G', path]), /which one\?/);
    assert.throws(() => keysOf(['-G', join(directory, 'none'), '-D', 'gate']), /ENOENT/);
    chmodSync(path, 0o644);
    assert.throws(() => keysOf(['-G', path, '-D', 'gate']), /can be read by others/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('base64 is read with padding and without', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const coded = Buffer.from(bytes).toString('base64');
      for (const form of [coded, coded.replace(/=+$/, '')])
        assert.deepEqual(Buffer.from(fromBase64(form) ?? []), Buffer.from(bytes));
    }),
  );
  for (const wrong of ['a', 'a b', 'ab==c', 'é', '='])
    assert.ok(fromBase64(wrong) === undefined || wrong === '=', wrong);
});

test('what --key-gen prints and the text of a QR code are read back, in any capitals', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 32 }),
      fc.uint8Array({ minLength: 1, maxLength: 128 }),
      (key, hmac) => {
        const coded = [key, hmac].map((bytes) => Buffer.from(bytes).toString('base64'));
        const qr = formatQrText(key, hmac);
        for (const form of [
          qr,
          `${qr} `,
          qr.replaceAll(/[A-Z_0-9]+:/g, (name) => name.toLowerCase()),
          formatKeys({ key, hmac }),
        ]) {
          const read = parseQrText(form);
          assert.deepEqual(
            read.map(({ name }) => name),
            ['KEY_BASE64', 'HMAC_KEY_BASE64'],
          );
          assert.deepEqual(
            read.map(({ value }) => value),
            coded,
          );
        }
      },
    ),
  );
  assert.deepEqual(
    parseQrText('X:1 KEY:abc HMAC_KEY:d').map(({ name, value }) => `${name}=${value}`),
    ['KEY=abc', 'HMAC_KEY=d'],
  );
  fc.assert(
    fc.property(fc.string(), (any) => {
      try {
        assert.ok(parseQrText(any).length > 0);
      } catch (error) {
        assert.ok(error instanceof PersonError);
      }
    }),
  );
});

test('new keys have the sizes that fwknop gives them, and ours for SHA-3', () => {
  const sizes = (['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512'] as const).map((digest) => {
    const { key, hmac } = newKeys((size) => new Uint8Array(size), digest, undefined, undefined);
    assert.equal(key.length, 32);
    return hmac.length;
  });
  assert.deepEqual(sizes, [16, 20, 64, 128, 128, 128, 72]);
});
