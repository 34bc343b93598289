import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Parsed, Program } from './command.ts';
import { EXIT, PersonError } from './person-error.ts';
import { runQuietly } from './testing.ts';

const NOTHING: Parsed = { arguments: {}, rest: [], flags: new Set(), values: {}, lists: {} };
let last = NOTHING;
const keep = (parsed: Parsed): number => {
  last = parsed;
  return EXIT.ok;
};
const JSON_OPTION = { name: 'json', help: 'one JSON document' };

const program: Program = {
  name: 'demo',
  version: '1.2.3',
  summary: 'a program for tests',
  description: ['It does nothing.'],
  options: [{ name: 'config', short: 'c', value: 'FILE', help: 'the configuration' }],
  commands: [
    { name: 'status', summary: 'say how it goes', options: [JSON_OPTION], examples: [], run: keep },
    {
      name: 'user add',
      summary: 'add a user',
      arguments: [
        { name: 'name', help: 'the name' },
        { name: 'comment', help: 'a remark', optional: true },
      ],
      options: [
        { name: 'service', value: 'NAME', help: 'a service', multiple: true },
        { name: 'force', short: 'f', help: 'in spite of all' },
        JSON_OPTION,
      ],
      examples: [{ line: 'demo user add ada', does: 'adds Ada' }],
      run: keep,
    },
    { name: 'user list', summary: 'list the users', examples: [], run: keep },
    {
      name: 'ssh',
      summary: 'run ssh',
      arguments: [
        { name: 'host', help: 'a host' },
        { name: 'words', help: 'for ssh', rest: true },
      ],
      options: [{ name: 'service', value: 'NAME', help: 'a service' }, JSON_OPTION],
      examples: [],
      run: keep,
    },
    {
      name: 'heir',
      summary: 'be another program',
      readsWords: true,
      options: [{ name: 'access', short: 'A', value: 'PORTS', help: 'what to open' }, JSON_OPTION],
      examples: [],
      run: (parsed) => {
        if (parsed.rest.includes('wrong')) throw new PersonError('wrong');
        return keep(parsed);
      },
    },
    {
      name: 'fail',
      summary: 'fail',
      options: [JSON_OPTION],
      arguments: [{ name: 'how', help: 'how', optional: true }],
      examples: [],
      run: (parsed) => {
        if (parsed.arguments['how'] === 'bug') throw new TypeError('x is\nnot a function');
        if (parsed.arguments['how'] === 'thing') throw Object.create(null) as Error;
        throw new PersonError('file "\u001b[2J\u202eexe" is\nwrong', { hint: 'first\nsecond \u0007', exitCode: 5 });
      },
    },
    { name: 'secret', summary: 'not shown', hidden: true, examples: [], run: keep },
    {
      name: 'drop',
      summary: 'drop things',
      arguments: [{ name: 'thing', help: 'what to drop', multiple: true }],
      options: [{ name: 'force', short: 'f', help: 'in spite of all' }],
      examples: [],
      run: keep,
    },
  ],
  manual: { section: 1, exitCodes: [], files: [], environment: [], seeAlso: [] },
};

const run = (line: string, debug = false) => runQuietly(program, line === '' ? [] : line.split(' '), debug);

test('without a command the help comes, and the exit code says that nothing was done', async () => {
  const bare = await run('');
  assert.equal(bare.code, EXIT.usage);
  assert.match(bare.out, /^demo: a program for tests\n/);
  assert.doesNotMatch(bare.out, /secret/);
  for (const line of ['--help', '-h', 'help']) assert.deepEqual(await run(line), { ...bare, code: EXIT.ok });
  for (const line of ['--version', '-V']) assert.equal((await run(line)).out, 'demo 1.2.3');
});

test('the help of a command shows how it is called, its options and examples', async () => {
  for (const line of ['user add --help', 'user add -h', 'help user add', 'user add ada --help']) {
    const { code, out, err } = await run(line);
    assert.deepEqual([code, err], [EXIT.ok, '']);
    assert.equal(
      out,
      `demo user add: add a user

Usage:
  demo user add [OPTIONS] NAME [COMMENT]

Arguments:
  NAME       the name
  [COMMENT]  a remark

Options:
      --service NAME  a service
  -f, --force         in spite of all
      --json          one JSON document
  -c, --config FILE   the configuration

Examples:
  demo user add ada
      adds Ada`,
    );
  }
});

test('the first word of two shows what may follow', async () => {
  for (const line of ['user --help', 'help user']) {
    const { code, out } = await run(line);
    assert.equal(code, EXIT.ok);
    assert.match(
      out,
      /demo user add \[OPTIONS\] NAME \[COMMENT\]\n? +add a user\n +demo user list \[OPTIONS\] +list the users/,
    );
  }
});

test('slips are answered with what was probably meant', async () => {
  const table: readonly (readonly [line: string, error: string, hint: string])[] = [
    ['statsu', '`statsu` is not a command', 'did you mean `demo status`?'],
    ['usr add', '`usr` is not a command', 'did you mean `demo user add`?'],
    ['user ad', '`user ad` is not a command', 'did you mean `demo user add`?'],
    ['user', '`user` needs a second word', 'one of: `demo user add`, `demo user list`'],
    ['user -f', '`user` needs a second word', 'one of: `demo user add`, `demo user list`'],
    ['frobnicate', '`frobnicate` is not a command', '`demo --help` lists the commands'],
    ['help frobnicate', '`frobnicate` is not a command', '`demo --help` lists the commands'],
    ['--config x status', '`--config` comes before the command', 'options stand behind it: `demo COMMAND --config`'],
    ['status --jsno', '`--jsno` is not an option of `demo status`', 'did you mean `--json`?'],
    [
      'status --frobnicate',
      '`--frobnicate` is not an option of `demo status`',
      '`demo status --help` lists the options',
    ],
    ['status --json=yes', '`--json` takes no value, but `yes` came', 'demo status [OPTIONS]'],
    ['status --config', '`--config` needs a value (FILE)', 'demo status [OPTIONS]'],
    ['status --config --json=1', '`--config` needs a value (FILE)', 'demo status [OPTIONS]'],
    ['status -c -f', '`--config` needs a value (FILE)', 'demo status [OPTIONS]'],
    ['status -c a --config b', '`--config` came twice', 'demo status [OPTIONS]'],
    ['status now', '`now` is one argument too many', 'demo status [OPTIONS]'],
    ['user add', 'NAME is missing: the name', 'demo user add [OPTIONS] NAME [COMMENT]'],
    ['user add a b c', '`c` is one argument too many', 'demo user add [OPTIONS] NAME [COMMENT]'],
  ];
  for (const [line, error, hint] of table) {
    last = NOTHING;
    const ran = await run(line);
    assert.deepEqual(ran, { code: EXIT.usage, out: '', err: `demo: error: ${error}\ndemo: hint: ${hint}` }, line);
    assert.equal(last, NOTHING, 'nothing was done');
  }
});

test('flags, values, lists and arguments come apart in any order', async () => {
  await run('user add --service ssh ada -f --service=web -c /etc/x remark');
  assert.deepEqual(last, {
    arguments: { name: 'ada', comment: 'remark' },
    rest: [],
    flags: new Set(['force']),
    values: { config: '/etc/x' },
    lists: { service: ['ssh', 'web'] },
  });
  await run('user add --config=--odd -- --name');
  assert.deepEqual([last.values, last.arguments], [{ config: '--odd' }, { name: '--name' }]);
});

test('what stands behind the last argument goes to the other program untouched', async () => {
  await run('ssh --service x host --json --help -p 22');
  assert.deepEqual(
    [last.arguments, last.values, last.rest],
    [{ host: 'host' }, { service: 'x' }, ['--json', '--help', '-p', '22']],
  );
  assert.match((await run('ssh --help')).out, /^demo ssh: run ssh/);
  assert.match((await run('ssh --service x --help')).out, /^demo ssh: run ssh/);
});

test('an error is two lines on standard error, and nothing in it reaches the terminal as a command', async () => {
  assert.deepEqual(await run('fail'), {
    code: 5,
    out: '',
    err: 'demo: error: file "\\u001b[2J\\u202eexe" is\\u000awrong\ndemo: hint: first\ndemo: hint: second \\u0007',
  });
});

test('with --json every error is one JSON document on standard output', async () => {
  const failed = await run('fail --json');
  assert.deepEqual([failed.code, failed.err], [5, '']);
  assert.deepEqual(JSON.parse(failed.out), {
    error: { message: 'file "\u001b[2J\u202eexe" is\nwrong', hint: 'first\nsecond \u0007', exitCode: 5 },
  });
  for (const line of ['status --json now', 'user add --json', 'frobnicate --json', 'fail bug --json']) {
    const { out, err, code } = await run(line);
    assert.equal(err, '', line);
    assert.equal((JSON.parse(out) as { error: { exitCode: number } }).error.exitCode, code);
  }
  assert.equal((await run('user list --json')).out, '', 'a command that has no --json answers in text');
});

test('a bug of ours is one line, and shows its stack only to who asks for it', async () => {
  const quiet = await run('fail bug');
  assert.equal(quiet.code, EXIT.failed);
  assert.equal(
    quiet.err,
    'demo: error: internal error: x is\\u000anot a function\ndemo: hint: this is a bug in demo; POSTERN_DEBUG=1 shows where',
  );
  assert.match((await run('fail bug', true)).err, /at .*run\.test\.ts/);
  assert.match((await run('fail thing')).err, /internal error/);
});

test('whatever is typed gives an exit code, never an exception', async () => {
  const words = fc.oneof(
    fc.constantFrom(
      'status',
      'user',
      'add',
      'ssh',
      'help',
      '--help',
      '-h',
      '--json',
      '-c',
      '--',
      '--config',
      '-',
      '=',
      '--=x',
    ),
    fc.string({ unit: 'grapheme', maxLength: 6 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(words, { maxLength: 6 }), async (argv) => {
      const { code, err } = await runQuietly(program, argv);
      assert.ok(code >= 0 && code <= 6);
      assert.doesNotMatch(err, /internal error/);
    }),
    { numRuns: 1_000 },
  );
});

test('an argument that may be given several times takes all of them, with options anywhere between', async () => {
  assert.equal((await run('drop a -f b c')).code, EXIT.ok);
  assert.deepEqual(last, { ...NOTHING, rest: ['a', 'b', 'c'], flags: new Set(['force']) });
  const { code, err } = await run('drop -f');
  assert.equal(code, EXIT.usage);
  assert.match(err, /THING is missing: what to drop\n.*demo drop \[OPTIONS\] THING…/);
});

test('a command that reads its words itself gets all of them, and has help and JSON errors as others', async () => {
  const words = ['-Atcp/22', '--acc', '-x', '--config', '--', '-'];
  assert.equal((await runQuietly(program, ['heir', ...words])).code, EXIT.ok);
  assert.deepEqual(last, { ...NOTHING, rest: words });
  const help = await runQuietly(program, ['heir', '-x', '--help']);
  assert.equal(help.code, EXIT.ok);
  assert.match(help.out, /-A, --access PORTS/);
  assert.match((await runQuietly(program, ['heir', '--json', 'wrong'])).out, /"error":\{"message":"wrong"/);
});
