import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BASE64, BASE64_URL, decodeBase64, encodeBase64 } from './base64.ts';

const ALPHABETS = [
  [BASE64, 'base64'],
  [BASE64_URL, 'base64url'],
] as const;

test('bytes are written as Node writes them, without padding, and read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      for (const [alphabet, name] of ALPHABETS) {
        const text = encodeBase64(bytes, alphabet);
        assert.equal(text, Buffer.from(bytes).toString(name).replace(/=+$/, ''));
        assert.deepEqual(decodeBase64(text, alphabet), bytes);
      }
    }),
  );
});

test('a text is read only if it is the one that is written for its bytes', () => {
  const piece = fc.constantFrom('A', 'B', 'Q', 'g', '9', '+', '/', '-', '_', '=', '\n', '\u0141', '\u{10041}');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece, { maxLength: 9 }).map((all) => all.join('')),
        fc.string(),
      ),
      (text) => {
        for (const [alphabet] of ALPHABETS) {
          const bytes = decodeBase64(text, alphabet);
          if (bytes !== undefined) assert.equal(encodeBase64(bytes, alphabet), text);
        }
      },
    ),
    { numRuns: 5000 },
  );
  for (const text of ['A', 'AB', 'AA=', 'AAAAA', 'AAB', 'A A']) assert.equal(decodeBase64(text, BASE64), undefined);
});
