import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EXIT, PersonError } from '@postern/terminal';
import { program } from '../program.ts';
import { parseFwknopLine } from './command-line.ts';
import { FWKNOP_OPTIONS } from './options.ts';
import { layered } from './variables.ts';

function settings(...argv: string[]): Record<string, string> {
  return Object.fromEntries([...layered(parseFwknopLine(argv).assignments)].map(([name, { value }]) => [name, value]));
}

function refused(...argv: string[]): string {
  try {
    parseFwknopLine(argv);
  } catch (error) {
    assert.ok(error instanceof PersonError);
    assert.equal(error.exitCode, EXIT.usage);
    return `${error.message} | ${error.hint ?? ''}`;
  }
  assert.fail('it was taken');
}

test('a value stands in the next word, behind a letter, or behind =', () => {
  for (const argv of [
    ['-A', 'tcp/22'],
    ['-Atcp/22'],
    ['--access', 'tcp/22'],
    ['--access=tcp/22'],
    ['--acc', 'tcp/22'],
  ]) {
    assert.deepEqual(settings(...argv), { ACCESS: 'tcp/22' });
  }
  assert.deepEqual(settings('-srD', 'gate'), { ALLOW_IP: 'source', RAND_PORT: 'Y', SPA_SERVER: 'gate' });
  assert.deepEqual(settings('-U', '-f'), { SPOOF_USER: '-f' }, 'a value may look like an option');
  assert.deepEqual(settings('--access='), { ACCESS: '' });
});

test('flags stand together, and -v counts', () => {
  const line = parseFwknopLine(['-vvTn', 'web1', '--verbose']);
  assert.equal(line.verbose, 3);
  assert.deepEqual(Object.fromEntries(line.words), { test: '', 'named-config': 'web1' });
});

test('the last of an option counts, and -a and -s win over -R', () => {
  assert.deepEqual(settings('-f', '1', '-f', '2'), { FW_TIMEOUT: '2' });
  assert.deepEqual(settings('-s', '-R'), { ALLOW_IP: 'source' });
  assert.deepEqual(settings('-R', '-a', '192.0.2.7', '-R'), { ALLOW_IP: '192.0.2.7' });
  assert.deepEqual(settings('-s', '-a', '192.0.2.7'), { ALLOW_IP: '192.0.2.7' });
  assert.deepEqual(settings('--resolve-ip-http'), { ALLOW_IP: 'resolve' });
  assert.deepEqual(settings('--time-offset-minus', '5min'), { TIME_OFFSET: '-5min' });
  assert.deepEqual(settings('--spoof-src', '192.0.2.7'), { SPOOF_SOURCE_IP: '192.0.2.7' });
});

test('options of gpg imply it', () => {
  assert.deepEqual(settings('--gpg-recipient-key', 'A'), { GPG_RECIPIENT: 'A', USE_GPG: 'Y' });
});

test('a stanza that is saved is named behind = only', () => {
  assert.equal(parseFwknopLine(['--save-rc-stanza', '-n', 'web1']).words.get('save-rc-stanza'), '');
  assert.equal(parseFwknopLine(['--save-rc-stanza=web1']).words.get('save-rc-stanza'), 'web1');
});

test('what is wrong is refused with what to do', () => {
  assert.match(refused('--res'), /--res` could be --resolve-ip-https or --resolve-ip-http or .* \| write it out/);
  assert.match(refused('--acess', 'x'), /did you mean `--access`\?/);
  assert.match(refused('-x'), /`-x` is no option of fwknop/);
  assert.match(refused('-A'), /-A needs a value \(PORTS\)/);
  assert.match(refused('--use-hmac=N'), /takes no value, but `N` came/);
  assert.match(refused('-s', 'extra'), /`extra` belongs to no option/);
  for (const words of [['-l'], ['--show-last'], ['-E', 'file'], ['--last-cmd']]) {
    assert.match(refused(...words), /command lines are not kept.*--save-rc-stanza/);
  }
});

test('a key on the command line is taken with a warning that has no key in it', () => {
  const { notes } = parseFwknopLine(['--key-rijndael', 'sesame', '--key-base64-hmac=c2VzYW1l']);
  assert.equal(notes.length, 2);
  for (const note of notes) {
    assert.match(note, /`ps`/);
    assert.doesNotMatch(note, /sesame|c2VzYW1l/);
  }
});

/** The letters of fwknop 2.6.10 in the notation of getopt: a colon follows one with a value. */
const LETTERS = 'a:A:bB:C:D:E:f:gG:hH:kK:lm:M:n:N:p:P:Q:rRsS:Tu:U:vVw:';

test('the letters are those of fwknop, with values where it has them', () => {
  const ours = FWKNOP_OPTIONS.flatMap(({ short, value }) =>
    short === undefined ? [] : [`${short}${value === undefined ? '' : ':'}`],
  );
  const theirs = LETTERS.match(/\w:?/g) ?? [];
  assert.deepEqual([...ours, 'h'].sort(), theirs.sort());
});

test('the examples of the help are understood', () => {
  const examples = program.commands.find(({ name }) => name === 'fwknop')?.examples ?? [];
  assert.ok(examples.length > 0);
  for (const { line } of examples) assert.doesNotThrow(() => parseFwknopLine(line.split(' ').slice(2)), line);
});

test('any words are read or refused, with nothing else thrown', () => {
  const piece = fc.constantFrom(
    '-',
    '--',
    '=',
    'A',
    'v',
    'T',
    'access',
    'key-gen',
    'no',
    'test',
    ' ',
    'é',
    'tcp/22',
    '',
  );
  const word = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        const { assignments, words } = parseFwknopLine(argv);
        assert.ok(assignments.length + words.size <= 2 * argv.join(' ').length);
      } catch (error) {
        assert.ok(error instanceof PersonError);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('an option means the same in each of its forms', () => {
  const settable = FWKNOP_OPTIONS.filter(
    ({ sets, value, short }) => sets !== undefined && value !== undefined && short !== undefined,
  );
  fc.assert(
    fc.property(fc.constantFrom(...settable), fc.string({ minLength: 1 }), ({ name, short = '' }, value) => {
      const expected = settings(`--${name}`, value);
      for (const argv of [
        [`--${name}=${value}`],
        [`-${short}`, value],
        [`-${short}${value}`],
        [`-v${short}${value}`],
      ]) {
        assert.deepEqual(settings(...argv), expected);
      }
    }),
  );
});
