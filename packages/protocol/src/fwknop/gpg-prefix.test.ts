import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat } from '../bytes.ts';
import { gpgPrefixes } from './gpg-prefix.ts';

/** A packet of OpenPGP (RFC 9580, section 4.2) in the old form, or in the new one. */
function packet(tag: number, form: 'old' | 'new' | 'parts', body: Uint8Array): Uint8Array {
  const n = body.length;
  if (form === 'old') {
    return n < 256
      ? concat(Uint8Array.of(0x80 | (tag << 2), n), body)
      : concat(Uint8Array.of(0x81 | (tag << 2), n >> 8, n & 255), body);
  }
  const first = form === 'parts' && n > 512 ? 512 : 0;
  const rest = n - first;
  const length = rest < 192 ? [rest] : [((rest - 192) >> 8) + 192, (rest - 192) & 255];
  return concat(
    Uint8Array.of(0xc0 | tag, ...(first > 0 ? [0xe9] : [])),
    body.subarray(0, first),
    Uint8Array.of(...length),
    body.subarray(first),
  );
}

const key = fc
  .record({
    form: fc.constantFrom('old' as const, 'new' as const),
    version: fc.constantFrom(3, 6),
    rest: fc.uint8Array({ minLength: 60, maxLength: 530 }),
  })
  .map(({ form, version, rest }) => packet(1, form, concat(Uint8Array.of(version), rest)));
const data = fc
  .record({
    tag: fc.constantFrom(18, 20),
    form: fc.constantFrom('new' as const, 'parts' as const),
    body: fc.uint8Array({ minLength: 100, maxLength: 900 }),
  })
  .map(({ tag, form, body }) => packet(tag, form, body));
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');

test('the two characters that were taken off a message to one key or more are found', () => {
  let missed = 0;
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 3 }), data, (keys, encrypted) => {
      const text = base64(concat(...keys, encrypted));
      const found = gpgPrefixes(text.slice(2));
      if (!found.includes(text.slice(0, 2))) missed++;
      if (text.startsWith('hQ')) assert.equal(found[0], 'hQ');
    }),
    { numRuns: 1000 },
  );
  // Random bytes are a header at the right place once in a long while.
  assert.ok(missed <= 1, `${missed} of 1,000`);
});

test('any text gets a prefix, and what is no message gets that of fwknop', () => {
  const character = fc.constantFrom(...Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'));
  fc.assert(
    fc.property(fc.array(character, { maxLength: 1500 }), (characters) => {
      const found = gpgPrefixes(characters.join(''));
      assert.ok(found.length === 1 || found.length === 2);
      for (const prefix of found) assert.match(prefix, /^(h[A-Za-f]|w[Q-Za-f])$/);
    }),
    { numRuns: 1000 },
  );
  assert.deepEqual(gpgPrefixes(''), ['hQ']);
  assert.deepEqual(gpgPrefixes('='), ['hQ']);
  assert.deepEqual(gpgPrefixes('A'.repeat(600)), ['hQ']);
});
