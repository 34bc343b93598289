import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearest } from './nearest.ts';
import { printable } from './printable.ts';
import { replaceSection } from './reference.ts';
import { formatTable } from './table.ts';

test('the nearest candidate is offered, and none where nothing is near', () => {
  assert.equal(nearest('prot', ['port', 'name', 'pq']), 'port');
  assert.equal(nearest('recieve', ['receive', 'revoke']), 'receive');
  assert.equal(nearest('singleuse', ['single_use', 'seconds']), 'single_use');
  assert.equal(nearest('x', ['y']), 'y');
  assert.equal(nearest('elephant', ['port', 'name']), undefined);
  assert.equal(nearest('', []), undefined);
  assert.equal(nearest('a'.repeat(100_000), ['a']), undefined);
});

test('a word that is there is its own nearest', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 1 }), fc.nat(), (words, pick) => {
      const word = words[pick % words.length] ?? '';
      assert.equal(nearest(word, words), word);
    }),
  );
});

test('columns are aligned, the last is not padded, and a hundred thousand rows are no trouble', () => {
  assert.equal(
    formatTable(
      ['NAME', 'X'],
      [
        ['a', '1'],
        ['longer', '22'],
      ],
    ),
    'NAME    X\na       1\nlonger  22',
  );
  assert.equal(formatTable(['NAME'], []), 'NAME');
  const rows = Array.from({ length: 200_000 }, (_, i) => [`${i}`, 'x']);
  assert.equal(formatTable(['A', 'B'], rows).split('\n').length, 200_001);
});

test('no text moves the cursor, changes colours or turns the direction', () => {
  assert.equal(printable('plain ä 漢 🙂 "quotes"'), 'plain ä 漢 🙂 "quotes"');
  assert.equal(printable('\u001b[31m\n\t\u009b\u202e\ud800'), '\\u001b[31m\\u000a\\u0009\\u009b\\u202e\ufffd');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(printable(text), /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]/u);
    }),
  );
});

test('a generated section is replaced, and all around it stays', () => {
  const before = 'a\n<!-- x: generated -->\nold\n<!-- x: end -->\nb\n';
  const after = replaceSection(before, 'x', 'new');
  assert.equal(after, 'a\n<!-- x: generated -->\n\nnew\n\n<!-- x: end -->\nb\n');
  assert.equal(replaceSection(after, 'x', 'new'), after);
  assert.throws(() => replaceSection('a', 'x', 'new'), RangeError);
});
