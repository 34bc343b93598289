import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { splitArgv } from './split-argv.ts';

const CASES: readonly [command: string, words: readonly string[] | undefined][] = [
  ['', []],
  ['  \t ', []],
  ['id', ['id']],
  [' id  -u\troot ', ['id', '-u', 'root']],
  ['echo "a b" c', ['echo', 'a b', 'c']],
  ["echo 'a \"b' c", ['echo', 'a "b', 'c']],
  ['a"b"c', ['abc']],
  ['a""', ['a']],
  ['""', ['']],
  ["'' x", ['', 'x']],
  ['a\\ b', ['a b']],
  ['\\"a', ['"a']],
  ['"a\\" b', ['a\\', 'b']],
  [
    'touch x; rm y | z > w & $(v) `u` $HOME *',
    ['touch', 'x;', 'rm', 'y', '|', 'z', '>', 'w', '&', '$(v)', '`u`', '$HOME', '*'],
  ],
  ['a "b', undefined],
  ["a 'b", undefined],
  ['a \'b"', undefined],
  ['a\\', undefined],
];

test('words are split as a shell does that knows quotes and backslashes and nothing else', () => {
  for (const [command, words] of CASES) assert.deepEqual(splitArgv(command), words, command);
});

test('whatever words are quoted, the same come back; and it is total', () => {
  const word = fc.string({ unit: fc.constantFrom(...Array.from(' \t"\'\\;|$ab')), maxLength: 8 });
  const quoted = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`;
  const escaped = (text: string): string => (text === '' ? "''" : Array.from(text, (it) => `\\${it}`).join(''));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), fc.constantFrom(quoted, escaped), (words, how) => {
      assert.deepEqual(splitArgv(words.map(how).join(' ')), words);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from(' "\'\\ab')), maxLength: 40 }), (text) => {
      const words = splitArgv(text);
      // Nothing appears that was not there.
      for (const one of words ?? []) for (const character of one) assert.ok(text.includes(character));
    }),
  );
});
