import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { PersonError } from '@postern/terminal';
import { MOST_FILE_CHARACTERS, parseAccess, type AccessFile, type AccessReader } from './access-file.ts';

/** Files that are texts; one that is missing is as one that cannot be read. */
function reader(files: Readonly<Record<string, string>>): AccessReader {
  return {
    read: (file) => {
      const text = files[file];
      if (text === undefined) throw new PersonError(`${file}: does not exist`, { hint: 'make it' });
      return text;
    },
    list: (directory) =>
      Object.keys(files).filter((name) => name.startsWith(`${directory}/`) && name.endsWith('.conf')),
  };
}

const parsed = (text: string, more: Readonly<Record<string, string>> = {}): AccessFile =>
  parseAccess(['/f'], reader({ '/f': text, ...more }));

/** What the stanzas say, without where. */
const said = ({ stanzas }: AccessFile): unknown =>
  stanzas.map(({ values, secrets }) => ({
    ...Object.fromEntries([...values].map(([name, { value }]) => [name, value])),
    ...Object.fromEntries([...secrets].map(([name, { value }]) => [name, Buffer.from(value.reveal()).toString()])),
  }));

test('each SOURCE begins a stanza; a colon may follow a name, and a value ends at a semicolon or with its line', () => {
  const file = parsed(
    '  # no\n;\nSOURCE: ANY; and more\n KEY\t a b c \r\nSOURCE 1.2.3.4\nOPEN_PORTS: tcp/1,tcp/2 ; # x\n',
  );
  assert.deepEqual(said(file), [
    { SOURCE: 'ANY', KEY: 'a b c' },
    { SOURCE: '1.2.3.4', OPEN_PORTS: 'tcp/1,tcp/2' },
  ]);
  assert.deepEqual(
    file.stanzas.map(({ line }) => line),
    [3, 5],
  );
});

test("files are included beside the one that says so, and what each has before its SOURCE is nobody's", () => {
  const file = parsed('SOURCE a\n%include x/b;\nOPEN_PORTS tcp/1\n%include_folder /d\n', {
    '/x/b': 'KEY lost\nSOURCE b\n%include c\nKEY kept\n',
    '/x/c': 'SOURCE c\n',
    '/d/1.conf': 'SOURCE d1\n',
    '/d/2.conf': 'SOURCE d2\n',
    '/d/3': 'SOURCE never\n',
  });
  assert.deepEqual(said(file), [
    { SOURCE: 'a', OPEN_PORTS: 'tcp/1' },
    { SOURCE: 'b', KEY: 'kept' },
    { SOURCE: 'c' },
    { SOURCE: 'd1' },
    { SOURCE: 'd2' },
  ]);
  assert.deepEqual(
    file.notes.map(({ fate, file: at, line }) => [fate, at, line]),
    [['no-meaning', '/x/b', 1]],
  );
});

test('a file of keys gives its stanza keys, and takes it with it when it is wrong', () => {
  const text = 'SOURCE a\n%include_keys k\nSOURCE b\n%include_keys bad\nSOURCE c\n%include_keys none\n';
  const file = parsed(text, { '/k': 'KEY one\nHMAC_KEY two\n', '/bad': 'KEY three\nOPEN_PORTS tcp/1\n' });
  assert.deepEqual(
    file.stanzas.map(({ notes }) => notes.map(({ fate, line, text: says }) => [fate, line, says])),
    [
      [],
      [['refused', 4, '%include_keys: /bad:2: `OPEN_PORTS` is no key, and stands in a file of keys']],
      [['refused', 6, '%include_keys: /none: does not exist']],
    ],
  );
  assert.equal(file.stanzas[0]?.secrets.get('HMAC_KEY')?.file, '/k');
});

test('what is unknown is noted, and what it was meant to be', () => {
  const [stanza] = parsed('SOURCE a\nRESTICT_PORTS tcp/1\nCOLOUR red\nc2VjcmV0Cg9 x\nKEY a\nKEY b\n').stanzas;
  assert.deepEqual(
    stanza?.notes.map(({ fate, text, mend }) => [fate, text, mend]),
    [
      ['weak', '`RESTICT_PORTS` is unknown, to fwknopd too', ['did you mean RESTRICT_PORTS?']],
      ['no-meaning', '`COLOUR` is unknown, to fwknopd too', undefined],
      ['no-meaning', 'what stands here is unknown, to fwknopd too', undefined],
      ['changed', 'KEY is there twice: the last one counts', undefined],
    ],
  );
});

for (const [name, text, says, hint] of [
  ['nothing', '', /^\/f: no stanza is there/, /in capitals/],
  ['small letters', 'source ANY\n', /^\/f:1: unknown variable `source`$/, /`SOURCE`/],
  ['a SOURCE that is spelt wrong', '\nSORCE ANY\n', /^\/f:2: unknown variable `SORCE`$/, /did you mean `SOURCE`/],
  ['the same later', 'SOURCE ANY\nKEY x\nSOURCES ANY\n', /^\/f:3: unknown variable `SOURCES`$/, /`SOURCE`/],
  ['an INI file', '[ssh]\nSOURCE ANY\n', /^\/f:1: a variable and its value are expected$/, /SOURCE ANY;/],
  ['a missing value', 'SOURCE ANY\nOPEN_PORTS ;\n', /^\/f:2: `OPEN_PORTS` has no value$/, /OPEN_PORTS …;/],
  ['a key without its name', 'SOURCE ANY\nc2VjcmV0\n', /^\/f:2: a variable and its value are expected$/, /SOURCE/],
  ['a file that is not there', '%include none\n', /^\/none: does not exist$/, /make it/],
  ['a file that includes itself', '%include f\n', /^\/f:1: files include each other more than 3 deep$/, undefined],
  ['a long file', '#'.repeat(MOST_FILE_CHARACTERS + 1), /^\/f:1: it is longer than 1048576 characters$/, undefined],
] as const) {
  test(`refused with its line: ${name}`, () => {
    assert.throws(
      () => parsed(text),
      (error: unknown) =>
        error instanceof PersonError && says.test(error.message) && (hint === undefined || hint.test(error.hint ?? '')),
    );
  });
}

test('more files than anybody has are refused', () => {
  const many = Object.fromEntries(Array.from({ length: 1_100 }, (_, i) => [`/d/${i}.conf`, 'SOURCE ANY\n']));
  assert.throws(() => parsed('%include_folder /d\n', many), /^PersonError: \/f:1: more than 1024 files are included$/);
});

const WORDS = [
  'SOURCE',
  'KEY',
  'KEY_BASE64',
  '%include',
  '%include_keys',
  '%include_folder',
  'ANY',
  '/f',
  ';',
  ':',
  '\n',
  ' ',
  '#',
  'SORCE',
];

test('any text is read, or refused in words', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...WORDS), { maxLength: 60 }).map((words) => words.join('')),
    fc
      .array(fc.tuple(fc.constantFrom(...WORDS), fc.string()).map((pair) => pair.join(' ')))
      .map((lines) => lines.join('\n')),
  );
  fc.assert(
    fc.property(text, text, (first, second) => {
      try {
        parsed(first, { '/ANY': second });
      } catch (error) {
        if (!(error instanceof PersonError)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});

test('nothing that is shown of it has a key in it', () => {
  const text = `SOURCE a\n${['KEY', 'KEY_BASE64', 'HMAC_KEY', 'HMAC_KEY_BASE64', 'GPG_DECRYPT_PW'].map((name) => `${name} Zaubernuss`).join('\n')}\n`;
  const file = parsed(text);
  for (const shown of [JSON.stringify(file.stanzas.map((it) => [...it.secrets])), inspect(file, { depth: 9 })])
    assert.doesNotMatch(shown, /Zaubernuss|WmF1YmVybnVzcw|90, ?97, ?117/);
});
