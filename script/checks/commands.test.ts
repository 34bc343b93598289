/**
 * Help, man pages, completion and reference are made from one table, by five renderers. Here each output is read back by a reader of its
 * own, which knows the output's form and not the table, and all must tell of the same commands, options and arguments.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { completion, manPage, type Program, SHELLS } from '@postern/terminal';
import { program as postern } from '../../packages/client/src/program.ts';
import { program as posternd } from '../../packages/gate/src/program.ts';
import { offered, shellMissing } from '../../packages/terminal/src/completion/shells.fixture.ts';
import { parseCommand } from '../../packages/terminal/src/parse.ts';
import { findCommand } from '../../packages/terminal/src/find-command.ts';
import { runQuietly } from '../../packages/terminal/src/testing.ts';

const PROGRAMS = [
  { program: postern, page: 'postern.md' },
  { program: posternd, page: 'commands.md' },
] as const;

/** By command: its usage line's arguments, and its options as `-s --long VALUE`. */
type Told = Readonly<Record<string, { readonly usage: string; readonly options: readonly string[] }>>;

/** Options of every command stand in a place of their own in some outputs. */
function told(entries: readonly (readonly [name: string, usage: string, options: readonly string[]])[]): Told {
  return Object.fromEntries(
    entries
      .map(([name, usage, options]) => [name, { usage, options: [...options].sort() }] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function section(text: string, from: RegExp, to: RegExp): string[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => from.test(line));
  if (start < 0) return [];
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => to.test(line));
  return rest.slice(0, end < 0 ? undefined : end);
}

const OPTION = /^(?:-\w, )?--[a-z0-9-]+(?: [A-Z0-9=]+(?![a-z0-9]))?/;

async function fromHelp(program: Program): Promise<Told> {
  const say = async (...words: string[]): Promise<string> => (await runQuietly(program, words)).out;
  const names = section(await say('--help'), /^Commands:/, /^$/).flatMap(
    (line) => /^ {2}(\S+(?: \S+)?)(?: {2}|$)/.exec(line)?.[1] ?? [],
  );
  const entries = [];
  for (const name of names) {
    const help = await say(...name.split(' '), '--help');
    const usage = /^Usage:\n {2}(.*)$/m.exec(help)?.[1] ?? '';
    const options = section(help, /^Options:/, /^$/).flatMap(
      (line) => OPTION.exec(line.replace(/^ {2}(?: {4})?/, ''))?.[0] ?? [],
    );
    entries.push([name, usage, options] as const);
  }
  return told(entries);
}

/** Reads what `man` shows, not the source. */
function fromManPage(program: Program): Told {
  const { status, stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tascii', '-rLL=1000n', '-P-cbou'], {
    input: manPage(program).text.replaceAll('\\[u2026]', '...'),
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [0, '']);
  const global = section(stdout, /^OPTIONS$/, /^[A-Z]/);
  const optionsIn = (lines: readonly string[]): string[] =>
    lines.flatMap((line) => OPTION.exec(line.replace(/^ {7}(?=-)/, ''))?.[0] ?? []);
  const parts = `\n${section(stdout, /^COMMANDS$/, /^[A-Z]/).join('\n')}`.split(/\n {3}(?=[a-z])/).slice(1);
  return told(
    parts.map((part) => {
      const [name = '', usage = '', ...lines] = part.split('\n');
      return [name, usage.trim().replaceAll('...', '…'), [...optionsIn(lines), ...optionsIn(global)]] as const;
    }),
  );
}

function fromReference(program: Program, page: string): Told {
  const text = readFileSync(join(import.meta.dirname, '../../docs/reference', page), 'utf8');
  const optionsIn = (part: string): string[] =>
    [...part.matchAll(/^- (?:`(-\w)`, )?`(--[a-z0-9-]+(?: [A-Z0-9=]+)?)`:/gm)].map(([, short, long = '']) =>
      short === undefined ? long : `${short}, ${long}`,
    );
  const [head = '', ...parts] = text.slice(text.indexOf(': generated -->')).split(`\n### ${program.name} `);
  return told(
    parts.map((part) => {
      const name = part.slice(0, part.indexOf('\n'));
      const usage = /```\n(.*)\n```/.exec(part)?.[1] ?? '';
      return [name, usage, [...optionsIn(part), ...optionsIn(head)]] as const;
    }),
  );
}

for (const { program, page } of PROGRAMS) {
  test(`the help, man page and reference of ${program.name} tell of the same commands, options and arguments`, async () => {
    const help = await fromHelp(program);
    assert.ok(Object.keys(help).length > 5);
    assert.ok(Object.values(help).every(({ usage }) => usage !== ''));
    assert.deepEqual(fromManPage(program), help);
    assert.deepEqual(fromReference(program, page), help);
  });

  for (const shell of SHELLS) {
    test(`${shell} completes what the help of ${program.name} tells of`, { skip: shellMissing(shell) }, async () => {
      const help = await fromHelp(program);
      const names = Object.keys(help);
      const groups = [...new Set(names.filter((name) => name.includes(' ')).map((name) => name.split(' ')[0] ?? ''))];
      const lines = [
        `${program.name} `,
        ...groups.map((word) => `${program.name} ${word} `),
        ...names.flatMap((name) => [`${program.name} ${name} --`, `${program.name} ${name} -`]),
      ];
      const answers = new Map(offered(program, shell, lines).map((words, i) => [lines[i], words]));
      const seconds = groups.flatMap((word) =>
        (answers.get(`${program.name} ${word} `) ?? [])
          .filter((second) => !second.startsWith('-'))
          .map((second) => `${word} ${second}`),
      );
      const first = (answers.get(`${program.name} `) ?? []).filter((word) => word !== 'help' && !word.startsWith('-'));
      const alone = first.filter((word) => names.includes(word));
      assert.deepEqual(
        first.filter((word) => !names.includes(word)),
        groups.filter((word) => !names.includes(word)).sort(),
      );
      assert.deepEqual([...alone, ...seconds].sort(), [...names].sort());
      for (const name of names) {
        const expected = (help[name]?.options ?? []).flatMap((option) => option.match(/-[-a-z0-9]+/gi) ?? []);
        const words = [
          ...(answers.get(`${program.name} ${name} --`) ?? []),
          ...(answers.get(`${program.name} ${name} -`) ?? []),
        ];
        assert.deepEqual(
          [...new Set(words)].sort(),
          [...new Set([...expected, '--help', '-h'])].sort(),
          `${shell}: ${name}`,
        );
      }
    });
  }

  test(`every command of ${program.name} has examples, and every example is one that ${program.name} takes`, () => {
    for (const command of program.commands.filter(({ hidden }) => hidden !== true)) {
      assert.ok(command.examples.length > 0, `${command.name} has no example`);
      const of = command.examples.filter(({ line }) =>
        typedIn(program, line).some((words) => words.join(' ').startsWith(command.name)),
      );
      assert.ok(of.length > 0, `no example of ${command.name} runs it`);
      for (const { line, does } of command.examples) {
        assert.match(does, /[^.]$/, `${line}: one clause without a full stop`);
        for (const it of PROGRAMS) {
          for (const words of typedIn(it.program, line)) {
            const found = findCommand(it.program, words);
            if (found.kind !== 'command') assert.fail(line);
            parseCommand(it.program, found.command, found.rest);
          }
        }
      }
    }
  });

  test(`every command of ${program.name} takes --json, or has a reason not to`, () => {
    const without = program.commands
      .filter(({ options = [] }) => ![...options, ...program.options].some(({ name }) => name === 'json'))
      .map(({ name }) => `${program.name} ${name}`);
    assert.deepEqual(
      without.filter((name) => !Object.hasOwn(WITHOUT_JSON, name)),
      [],
    );
  });

  test(`every text of ${program.name} is written as the house writes`, () => {
    for (const { name, summary, options = [], arguments: places = [] } of program.commands) {
      assert.match(summary, /^[^A-Z].*[^.]$/, `${name}: the summary is lower case, without a full stop`);
      for (const { help } of [...options, ...places]) assert.match(help, /[^.]$/, `${name}: ${help}`);
    }
  });
}

/** Why a command has no `--json`. */
const WITHOUT_JSON: Readonly<Record<string, string>> = {
  'postern ssh': 'standard output belongs to ssh',
  'postern ssh-proxy': 'standard output belongs to ssh',
  'postern knockd-knock': "has the options of knockd's `knock`, and prints what it prints",
  'postern completion': 'prints a script for a shell',
  'posternd completion': 'prints a script for a shell',
  'posternd run': 'is the daemon; it answers nothing',
  'posternd send-raw': 'for `postern fwknop`, which reads its errors as they are',
  'posternd draw-qr': 'it prints a picture',
};

/** The calls of a program within a line of shell: words from its name to the next operator. */
function typedIn(program: Program, line: string): string[][] {
  const calls: string[][] = [];
  let call: string[] | undefined;
  for (const [token] of line.replaceAll(/["'()]/g, ' ').matchAll(/\S+/g)) {
    if (/^([|&;<>]+|\d?>+)$/.test(token)) call = undefined;
    else if (token === program.name) calls.push((call = []));
    else call?.push(token);
  }
  return calls;
}

test('completion scripts and man pages change with nothing but the table', () => {
  for (const { program } of PROGRAMS) {
    assert.equal(manPage(program).text, manPage(program).text);
    for (const shell of SHELLS) assert.ok(!completion(program, shell).text.includes(process.cwd()));
  }
});

test('the pages tell of the exit codes that the man pages tell of', () => {
  for (const { program, page } of PROGRAMS) {
    const text = readFileSync(join(import.meta.dirname, '../../docs/reference', page), 'utf8');
    const [, table = ''] = text.split('\n## Exit codes\n');
    const codes = [...(table.split('\n## ')[0] ?? '').matchAll(/^\| (\d)/gm)].map(([, code]) => Number(code));
    assert.deepEqual(
      program.manual.exitCodes.map(({ code }) => code),
      codes,
      page,
    );
  }
});
