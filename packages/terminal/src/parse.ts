import type { Command, Option, Parsed, Program } from './command.ts';
import { optionsOf, usage } from './help.ts';
import { nearest } from './nearest.ts';
import { EXIT, PersonError } from './person-error.ts';
import { tokenize } from './tokens.ts';

function usageError(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}

interface Typed {
  readonly flags: Set<string>;
  readonly values: Record<string, string>;
  readonly lists: Record<string, string[]>;
  readonly positionals: string[];
}

/** Splits off everything after the `count`th positional, for commands that hand the rest to another program. */
function splitRest(
  options: readonly Option[],
  argv: readonly string[],
  count: number,
): { own: readonly string[]; rest: readonly string[] } {
  let seen = 0;
  for (let i = 0; i < argv.length; i++) {
    if (seen === count) return { own: argv.slice(0, i), rest: argv.slice(argv[i] === '--' ? i + 1 : i) };
    const word = argv[i] ?? '';
    if (!word.startsWith('-')) seen++;
    else if (!word.includes('=')) {
      const option = options.find((o) => word === `--${o.name}` || word === `-${o.short ?? ''}`);
      if (option?.value !== undefined) i++;
    }
  }
  return { own: argv, rest: [] };
}

function readOptions(program: Program, command: Command, options: readonly Option[], argv: readonly string[]): Typed {
  const typed: Typed = { flags: new Set(), values: {}, lists: {}, positionals: [] };
  for (const token of tokenize(options, argv)) {
    if (token.kind === 'positional') {
      typed.positionals.push(token.value);
      continue;
    }
    const option = options.find((candidate) => candidate.name === token.name);
    if (option === undefined) {
      const near = nearest(
        token.name,
        options.map((candidate) => candidate.name),
      );
      throw usageError(
        `\`${token.rawName}\` is not an option of \`${program.name} ${command.name}\``,
        near === undefined
          ? `\`${program.name} ${command.name} --help\` lists the options`
          : `did you mean \`--${near}\`?`,
      );
    }
    addOption(typed, option, token, usage(program, command));
  }
  return typed;
}

function addOption(
  typed: Typed,
  option: Option,
  token: { readonly value: string | undefined; readonly inlineValue: boolean },
  form: string,
): void {
  const { name } = option;
  if (option.value === undefined) {
    if (token.value !== undefined) throw usageError(`\`--${name}\` takes no value, but \`${token.value}\` came`, form);
    typed.flags.add(name);
    return;
  }
  // `--config --json` forgot the value: nobody means a value that looks like an option, and who does writes it with `=`.
  const swallowed = !token.inlineValue && /^-./.test(token.value ?? '');
  if (token.value === undefined || swallowed) throw usageError(`\`--${name}\` needs a value (${option.value})`, form);
  if (option.multiple === true) (typed.lists[name] ??= []).push(token.value);
  else if (typed.values[name] !== undefined) throw usageError(`\`--${name}\` came twice`, form);
  else typed.values[name] = token.value;
}

/** What of the words is for the command to read, and what it hands over. */
export function ownWords(
  command: Command | undefined,
  options: readonly Option[],
  argv: readonly string[],
): { readonly own: readonly string[]; readonly rest: readonly string[] } {
  const declared = command?.arguments ?? [];
  const takesRest = declared.at(-1)?.rest === true;
  return takesRest ? splitRest(options, argv, declared.length - 1) : { own: argv, rest: [] };
}

/** Whether `--json` was typed for a command that knows it. Total: it is asked also when the rest is not understood. */
export function wantsJson(program: Program, command: Command | undefined, argv: readonly string[]): boolean {
  const options = optionsOf(program, command);
  // Of a command that does not exist nothing is known, so who asks for JSON gets it.
  if (command !== undefined && !options.some((option) => option.name === 'json')) return false;
  const { own } = ownWords(command, options, argv);
  const end = own.indexOf('--');
  return own.slice(0, end === -1 ? undefined : end).includes('--json');
}

/**
 * Reads the words behind a command's name.
 *
 * @throws PersonError with EXIT.usage for options that the command does not know, values that are missing or too many, and arguments
 * that are missing or too many
 */
export function parseCommand(program: Program, command: Command, argv: readonly string[]): Parsed {
  if (command.readsWords === true) return { arguments: {}, rest: argv, flags: new Set(), values: {}, lists: {} };
  const declared = command.arguments ?? [];
  const options = optionsOf(program, command);
  const { own, rest } = ownWords(command, options, argv);
  const { flags, values, lists, positionals } = readOptions(program, command, options, own);
  const named: Record<string, string> = {};
  const last = declared.at(-1);
  const plain = declared.filter((argument) => argument.rest !== true && argument.multiple !== true);
  plain.forEach((argument, i) => {
    const value = positionals[i];
    if (value !== undefined) named[argument.name] = value;
    else if (argument.optional !== true) {
      throw usageError(`${argument.name.toUpperCase()} is missing: ${argument.help}`, usage(program, command));
    }
  });
  const others = positionals.slice(plain.length);
  if (last?.multiple === true) {
    if (others.length === 0 && last.optional !== true) {
      throw usageError(`${last.name.toUpperCase()} is missing: ${last.help}`, usage(program, command));
    }
    return { arguments: named, rest: others, flags, values, lists };
  }
  const [extra] = others;
  if (extra !== undefined) throw usageError(`\`${extra}\` is one argument too many`, usage(program, command));
  return { arguments: named, rest, flags, values, lists };
}
