import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { type Token, tokenize } from './tokens.ts';

const OPTIONS = [
  { name: 'json', help: '' },
  { name: 'quiet', short: 'q', help: '' },
  { name: 'config', short: 'c', value: 'FILE', help: '' },
  { name: 'try', value: 'SECONDS', help: '' },
];

test('words come apart as parseArgs of Node takes them apart', () => {
  const piece = fc.constantFrom('-', '--', '=', 'c', 'q', 'x', 'config', 'json', 'try', ' ', 'é', '0');
  const word = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), (words) => {
      const { tokens } = parseArgs({
        args: words,
        options: {
          json: { type: 'boolean' },
          quiet: { type: 'boolean', short: 'q' },
          config: { type: 'string', short: 'c' },
          try: { type: 'string' },
        },
        strict: false,
        allowPositionals: true,
        tokens: true,
      });
      const expected = tokens.flatMap((token): Token[] => {
        if (token.kind === 'option-terminator') return [];
        if (token.kind === 'positional') return [{ kind: 'positional', value: token.value }];
        const { name, rawName, value, inlineValue } = token;
        return [{ kind: 'option', name, rawName, value, inlineValue: inlineValue ?? false }];
      });
      assert.deepEqual(tokenize(OPTIONS, words), expected);
    }),
    { numRuns: 5_000 },
  );
});
