import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Program } from './command.ts';
import { completion } from './completion.ts';
import { offered, shellMissing } from './completion/shells.fixture.ts';
import { SHELLS } from './shell.ts';

const run = (): number => 0;

const program: Program = {
  name: 'demo',
  version: '1.2.3',
  summary: 'a program for tests',
  description: [],
  options: [{ name: 'config', short: 'c', value: 'DIR', help: 'the [configuration]: always' }],
  commands: [
    { name: 'status', summary: "say how it's going", examples: [], run },
    {
      name: 'user add',
      summary: 'add a user',
      arguments: [
        { name: 'name', help: 'the name', offer: { command: 'user list', column: 2 } },
        { name: 'file', help: 'a file', optional: true },
      ],
      options: [
        { name: 'level', value: 'N', help: 'a level', offer: ['low', 'high'] },
        { name: 'picture', value: 'FILE', help: 'a file', multiple: true },
        { name: 'force', short: 'f', help: 'in spite of all' },
      ],
      examples: [],
      run,
    },
    { name: 'user', summary: 'list users', examples: [], run },
    {
      name: 'ssh',
      summary: 'run ssh',
      arguments: [{ name: 'host', help: 'a host', offer: ['web1', 'web2'], rest: true }],
      examples: [],
      run,
    },
    { name: 'secret', summary: 'not shown', hidden: true, examples: [], run },
  ],
  manual: { section: 1, exitCodes: [], files: [], environment: [], seeAlso: [] },
};

/** What is typed and what is offered then, the same in every shell. */
const OFFERS: readonly (readonly [line: string, words: readonly string[]])[] = [
  ['demo st', ['status']],
  ['demo secr', []],
  ['demo user a', ['add']],
  ['demo user add ', ['ada', 'bob']],
  ['demo user add b', ['bob']],
  ['demo user add ada f', ['file.txt']],
  ['demo user add ada x f', []],
  ['demo user add --fo', ['--force']],
  ['demo user add --level ', ['high', 'low']],
  ['demo user add --level high a', ['ada']],
  ['demo user add -f -c / a', ['ada']],
  ['demo user add --picture fi', ['file.txt']],
  ['demo user add --picture x --picture fi', ['file.txt']],
  ['demo user add ada --f', ['--force']],
  ['demo status x', []],
  ['demo ssh ', ['web1', 'web2']],
  ['demo ssh --config / w', ['web1', 'web2']],
  ['demo ssh web1 --con', []],
  ['demo ssh web1 w', []],
  ['demo help st', ['status']],
  ['demo --v', ['--version']],
];

for (const shell of SHELLS) {
  test(`${shell} offers what may come next, and nothing else`, { skip: shellMissing(shell), timeout: 60_000 }, () => {
    const words = offered(
      program,
      shell,
      OFFERS.map(([line]) => line),
      'LEVEL  NAME\nhigh   ada\nlow    bob',
    );
    assert.deepEqual(
      OFFERS.map(([line], i) => [line, words[i]]),
      OFFERS,
    );
  });

  test(`${shell} completes a value behind an equals sign`, { skip: shellMissing(shell), timeout: 60_000 }, () => {
    const [file = [], level = []] = offered(program, shell, ['demo user add --picture=fi', 'demo user add --level=h']);
    assert.deepEqual(
      [file, level].flat().map((word) => word.replace(/^--.*=/, '')),
      ['file.txt', 'high'],
    );
  });
}

test('each shell looks for a file of its own name', () => {
  assert.deepEqual(
    SHELLS.map((shell) => completion(program, shell).file),
    ['demo', '_demo', 'demo.fish'],
  );
});
