import { parseArgs } from 'node:util';
import type { Command, Option, Parsed, Program } from './command.ts';
import { commandHelp, programHelp, usage } from './help.ts';
import type { Io } from './io.ts';
import { nearest } from './nearest.ts';
import { EXIT, PersonError } from './person-error.ts';

function usageError(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}

function find(program: Program, argv: readonly string[]): { command: Command; rest: readonly string[] } {
  const [first = '', second = ''] = argv;
  for (const name of [`${first} ${second}`, first]) {
    const command = program.commands.find((candidate) => candidate.name === name);
    if (command !== undefined) return { command, rest: argv.slice(name.includes(' ') ? 2 : 1) };
  }
  const names = program.commands.map((command) => command.name);
  const under = names.filter((name) => name.startsWith(`${first} `)).map((name) => name.split(' ')[1] ?? '');
  const near = under.length > 0 ? nearest(second, under) : nearest(first, names.map((name) => name.split(' ')[0] ?? ''));
  if (under.length > 0) {
    throw usageError(
      second === '' ? `\`${first}\` needs a second word` : `\`${first} ${second}\` is not a command`,
      near === undefined ? `one of: ${under.map((name) => `${first} ${name}`).join(', ')}` : `did you mean \`${first} ${near}\`?`,
    );
  }
  throw usageError(
    `\`${first}\` is not a command`,
    near === undefined ? `\`${program.name} --help\` lists the commands` : `did you mean \`${near}\`?`,
  );
}

function parse(program: Program, command: Command, argv: readonly string[]): Parsed {
  const declared = command.arguments ?? [];
  const options: readonly Option[] = [...(command.options ?? []), ...program.options];
  const last = declared.at(-1);
  const { own, rest } = last?.rest === true ? splitRest(options, argv, declared.length - 1) : { own: argv, rest: [] };
  const flags = new Set<string>();
  const values: Record<string, string> = {};
  const lists: Record<string, string[]> = {};
  const positionals: string[] = [];
  const { tokens } = parseArgs({
    args: [...own],
    options: Object.fromEntries(
      options.map((o) => [
        o.name,
        { type: o.value === undefined ? 'boolean' : 'string', ...(o.short === undefined ? {} : { short: o.short }) } as const,
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = options.find((candidate) => candidate.name === token.name);
    if (option === undefined) {
      const near = nearest(token.name, options.map((candidate) => candidate.name));
      throw usageError(
        `\`${token.rawName}\` is not an option of \`${program.name} ${command.name}\``,
        near === undefined ? `\`${program.name} ${command.name} --help\` lists the options` : `did you mean \`--${near}\`?`,
      );
    }
    if (option.value === undefined) {
      if (token.value !== undefined) throw usageError(`\`--${option.name}\` takes no value, but \`${token.value}\` came`, usage(program, command));
      flags.add(option.name);
      continue;
    }
    if (token.value === undefined) throw usageError(`\`--${option.name}\` needs a value (${option.value})`, usage(program, command));
    if (option.multiple === true) (lists[option.name] ??= []).push(token.value);
    else values[option.name] = token.value;
  }
  const named: Record<string, string> = {};
  const plain = declared.filter((argument) => argument.rest !== true);
  plain.forEach((argument, i) => {
    const value = positionals[i];
    if (value !== undefined) named[argument.name] = value;
    else if (argument.optional !== true) throw usageError(`${argument.name.toUpperCase()} is missing: ${argument.help}`, usage(program, command));
  });
  const extra = positionals[plain.length];
  if (extra !== undefined) throw usageError(`\`${extra}\` is one argument too many`, usage(program, command));
  return { arguments: named, rest, flags, values, lists };
}

/** Splits off everything after the `count`th positional, for commands that hand the rest to another program. */
function splitRest(options: readonly Option[], argv: readonly string[], count: number): { own: string[]; rest: string[] } {
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
  return { own: [...argv], rest: [] };
}

/**
 * Runs what was typed and returns the exit code. Every error that a person can mend is printed as `NAME: error: …` with a hint;
 * anything else is a bug of ours and says so in one line (with POSTERN_DEBUG set, with its stack).
 */
export async function runProgram(program: Program, argv: readonly string[], io: Io, debug = false): Promise<number> {
  try {
    const first = argv[0];
    if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
      const wanted = first === 'help' && argv[1] !== undefined ? find(program, argv.slice(1)).command : undefined;
      io.out(wanted === undefined ? programHelp(program, io.columns) : commandHelp(program, wanted, io.columns));
      return first === undefined ? EXIT.usage : EXIT.ok;
    }
    if (first === '--version' || first === '-V') {
      io.out(`${program.name} ${program.version}`);
      return EXIT.ok;
    }
    const { command, rest } = find(program, argv);
    const lastIsRest = command.arguments?.at(-1)?.rest === true;
    const own = lastIsRest ? rest.slice(0, 1) : rest;
    if (own.includes('--help') || own.includes('-h')) {
      io.out(commandHelp(program, command, io.columns));
      return EXIT.ok;
    }
    return await command.run(parse(program, command, rest), io);
  } catch (error) {
    if (error instanceof PersonError) {
      io.err(`${program.name}: error: ${error.message}`);
      if (error.hint !== undefined) io.err(`${program.name}: hint: ${error.hint}`);
      return error.exitCode;
    }
    const message = error instanceof Error ? error.message : String(error);
    io.err(`${program.name}: error: internal error: ${message}`);
    io.err(`${program.name}: hint: this is a bug in ${program.name}; POSTERN_DEBUG=1 shows where`);
    if (debug && error instanceof Error) io.err(error.stack ?? '');
    return EXIT.failed;
  }
}
