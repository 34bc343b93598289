import type { Command, Program } from './command.ts';
import { nearest } from './nearest.ts';
import { EXIT, PersonError } from './person-error.ts';

/** What was typed, up to the command's name. */
export type Found =
  | { readonly kind: 'command'; readonly command: Command; readonly rest: readonly string[] }
  /** The first word of commands of two words, by itself or with `--help`. */
  | { readonly kind: 'group'; readonly commands: readonly Command[] };

function unknown(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}

function firstWord(name: string): string {
  return name.split(' ')[0] ?? '';
}

function unknownIn(program: Program, group: readonly Command[], first: string, second: string): PersonError {
  const near = nearest(
    second,
    group.map((command) => command.name.slice(first.length + 1)),
  );
  const all = group.map((command) => `\`${program.name} ${command.name}\``).join(', ');
  return unknown(
    second === '' ? `\`${first}\` needs a second word` : `\`${first} ${second}\` is not a command`,
    near === undefined ? `one of: ${all}` : `did you mean \`${program.name} ${first} ${near}\`?`,
  );
}

/**
 * Finds the command that `argv` begins with.
 *
 * @throws PersonError with EXIT.usage and the name that is nearest to what was typed
 */
export function findCommand(program: Program, argv: readonly string[]): Found {
  const [first = '', second = ''] = argv;
  for (const name of [`${first} ${second}`, first]) {
    const command = program.commands.find((candidate) => candidate.name === name);
    if (command !== undefined) return { kind: 'command', command, rest: argv.slice(name.includes(' ') ? 2 : 1) };
  }
  const group = program.commands.filter((command) => command.name.startsWith(`${first} `));
  if (group.length > 0) {
    if (argv.slice(1).some((word) => word === '--help' || word === '-h')) return { kind: 'group', commands: group };
    throw unknownIn(program, group, first, second.startsWith('-') ? '' : second);
  }
  if (first.startsWith('-')) {
    throw unknown(
      `\`${first}\` comes before the command`,
      `options stand behind it: \`${program.name} COMMAND ${first}\``,
    );
  }
  const names = program.commands.map((command) => command.name);
  const near = nearest(`${first} ${second}`.trim(), names) ?? nearest(first, new Set(names.map(firstWord)));
  throw unknown(
    `\`${first}\` is not a command`,
    near === undefined ? `\`${program.name} --help\` lists the commands` : `did you mean \`${program.name} ${near}\`?`,
  );
}
