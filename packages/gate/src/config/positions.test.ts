import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { lineColumn, placeOf, positionOf, scanToml, type Path } from './positions.ts';

function paths(value: unknown, here: Path = []): Path[] {
  if (typeof value !== 'object' || value === null || value instanceof Date) return [here];
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [...(here.length === 0 ? [] : [here]), ...entries.flatMap(([key, inner]) => paths(inner, [...here, key]))];
}

const key = fc
  .oneof(fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/), fc.string({ unit: 'grapheme', maxLength: 8 }))
  .filter((text) => text !== '__proto__' && text.isWellFormed());
const scalar = fc.oneof(
  fc.integer({ min: -1e9, max: 1e9 }),
  fc.boolean(),
  fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed()),
  fc.constantFrom('"""', "'''", '# no comment', 'a = 1\n[b]', '\\', '"', ']', '}', '=', '\r\n'),
  fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true }),
);
const { table } = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, tie('array'), tie('table')),
  array: fc.oneof(fc.array(scalar, { maxLength: 4 }), fc.array(tie('table'), { maxLength: 3 })),
  table: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
}));

test('every key and element of any document is found where it stands', () => {
  fc.assert(
    fc.property(table, (data) => {
      const text = stringify(data);
      const places = scanToml(text);
      for (const path of paths(parse(text))) {
        const place = placeOf(places, path);
        assert.ok(place, `${JSON.stringify(path)} in\n${text}`);
        const name = path.at(-1);
        const there = text.slice(place.at);
        if (place.kind === 'element' || typeof name === 'number') continue;
        assert.ok(
          there.startsWith(name ?? '') || /^["']/.test(there),
          `${JSON.stringify(path)} at ${there.slice(0, 20)}`,
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('the value of a key can be cut out and is that value', () => {
  fc.assert(
    fc.property(table, (data) => {
      const text = stringify(data);
      for (const place of scanToml(text)) {
        if (place.kind !== 'key' || place.valueAt === place.at) continue;
        const cut = parse(`x = ${text.slice(place.valueAt, place.valueEnd)}\n`)['x'];
        const whole = place.path.reduce<unknown>(
          (value, step) => (value as Record<string | number, unknown>)[step],
          parse(text),
        );
        assert.deepEqual(cut, whole);
      }
    }),
  );
});

const pieces = fc.constantFrom(
  '[',
  ']',
  '[[',
  ']]',
  '{',
  '}',
  '=',
  '.',
  ',',
  '"',
  "'",
  '"""',
  "'''",
  '\\',
  '#',
  '\n',
  'a',
  ' ',
  '1',
  '\r',
);

test('arbitrary text never fails, never hangs, and places stay inside it', () => {
  const check = (text: string): void => {
    for (const place of scanToml(text)) {
      assert.ok(place.at >= 0 && place.at <= text.length);
      assert.ok(place.valueAt <= place.valueEnd && place.valueEnd <= text.length);
    }
    const { line, column } = positionOf(text, ['a', 0, 'b']);
    assert.ok(line >= 1 && column >= 1);
  };
  fc.assert(fc.property(fc.string({ unit: 'binary' }), check));
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join('')),
      check,
    ),
    { numRuns: 2_000 },
  );
  check('a = ' + '['.repeat(100_000));
  check('a = ' + '{ b = '.repeat(50_000));
});

test('what people write is found: dotted keys, quotes, inline tables, comments, arrays of tables', () => {
  const text = [
    '# comment = 1',
    'gate.port = 62201 # trailing',
    '[services."my-web"] # [no.table]',
    'ports = [',
    '  "tcp/80", # a comment, with ] and ,',
    "  'tcp/443',",
    ']',
    'more = { seconds = 5, "odd key" = { deep = true } }',
    '[[devices]]',
    'name = """two',
    'lines = 1"""',
    '  [[devices]]',
    '  name = "b"',
    '[devices.extra]',
    'x = 1',
  ].join('\n');
  parse(text);
  const table: readonly (readonly [Path, string])[] = [
    [['gate', 'port'], '2:6'],
    [['gate'], '2:1'],
    [['services'], '3:2'],
    [['services', 'my-web'], '3:11'],
    [['services', 'my-web', 'ports', 0], '5:3'],
    [['services', 'my-web', 'ports', 1], '6:3'],
    [['services', 'my-web', 'more', 'seconds'], '8:10'],
    [['services', 'my-web', 'more', 'odd key', 'deep'], '8:37'],
    [['devices', 0], '9:3'],
    [['devices', 0, 'name'], '10:1'],
    [['devices', 1], '12:5'],
    [['devices', 1, 'name'], '13:3'],
    [['devices', 1, 'extra', 'x'], '15:1'],
    [['services', 'my-web', 'missing'], '3:11'],
    [['nothing', 'at', 'all'], '1:1'],
  ];
  for (const [path, expected] of table) {
    const { line, column } = positionOf(text, path);
    assert.equal(`${line}:${column}`, expected, JSON.stringify(path));
  }
});

test('quotes inside and at the end of strings of several lines belong to them', () => {
  for (const quote of ['"', "'"]) {
    for (const extra of ['', quote, quote + quote]) {
      const long = quote.repeat(3);
      const text = `a = ${long}x${quote}${quote}y = 1\n# z${extra}${long}\nb = [1, ${long}]${extra}${long}, 2]\nc = 3`;
      parse(text);
      const places = scanToml(text);
      assert.deepEqual(
        [['a'], ['b'], ['c'], ['b', 2]].map((path) => {
          const place = placeOf(places, path);
          return text.slice(place?.valueAt, place?.valueEnd);
        }),
        [text.slice(4, text.indexOf('\nb =')), text.slice(text.indexOf('[1'), text.indexOf('\nc')), '3', '2'],
      );
    }
  }
});

test('lines count from 1 and columns in UTF-16 units', () => {
  assert.deepEqual(lineColumn('a\nbc', 0), { line: 1, column: 1 });
  assert.deepEqual(lineColumn('a\nbc', 3), { line: 2, column: 2 });
  assert.deepEqual(lineColumn('a\r\nbc', 3), { line: 2, column: 1 });
});
