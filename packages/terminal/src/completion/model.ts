/** What the completion of every shell is made from: the visible part of the command table. */
import type { Argument, Command, Offer, Option, Program } from '../command.ts';
import { optionsOf } from '../help.ts';

/** An option as shells see it. */
export interface OfferedOption {
  readonly long: string;
  readonly short: string | undefined;
  /** Placeholder of the value. */
  readonly value: string | undefined;
  readonly offer: Offer | undefined;
  readonly multiple: boolean;
  readonly help: string;
}

/** An argument as shells see it. */
export interface Place {
  readonly name: string;
  readonly offer: Offer | undefined;
  readonly optional: boolean;
}

/** A command as shells see it. */
export interface OfferedCommand {
  readonly name: string;
  readonly first: string;
  /** The second word of the name. */
  readonly second: string | undefined;
  readonly help: string;
  /** `--help` is one of them. */
  readonly options: readonly OfferedOption[];
  readonly places: readonly Place[];
  /** All behind the last place belongs to another program. */
  readonly takesRest: boolean;
}

function offerOf(it: Argument | Option, placeholder: string): Offer | undefined {
  if (it.offer !== undefined) return it.offer;
  return placeholder === 'FILE' ? 'files' : placeholder === 'DIR' ? 'directories' : undefined;
}

/** The first clause of a text, for a list in which each entry has one line. */
function brief(text: string): string {
  return (/^[^;:(]+/.exec(text)?.[0] ?? text).replaceAll('`', '').trim();
}

function optionOf(option: Option): OfferedOption {
  return {
    long: option.name,
    short: option.short,
    value: option.value,
    offer: offerOf(option, option.value ?? ''),
    multiple: option.multiple === true,
    help: brief(option.help),
  };
}

function commandOf(program: Program, command: Command): OfferedCommand {
  const [first = '', second] = command.name.split(' ');
  const help: Option = { name: 'help', short: 'h', help: 'show what this command does' };
  return {
    name: command.name,
    ...{ first, second },
    help: brief(command.summary),
    options: [...optionsOf(program, command), help].map(optionOf),
    places: (command.arguments ?? []).map((argument) => ({
      name: argument.name.toUpperCase(),
      offer: offerOf(argument, argument.name.toUpperCase()),
      optional: argument.optional === true,
    })),
    takesRest: command.arguments?.at(-1)?.rest === true,
  };
}

/** The commands that are shown, in their order. */
export function offeredCommands(program: Program): readonly OfferedCommand[] {
  return program.commands.filter((command) => command.hidden !== true).map((command) => commandOf(program, command));
}

/** First words with what they are, each once; `help` too. */
export function firstWords(commands: readonly OfferedCommand[]): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  for (const { first, second, help } of commands) {
    if (second === undefined) words.set(first, help);
    else if (!words.has(first)) {
      const seconds = commands.filter((other) => other.first === first && other.second !== undefined);
      words.set(first, seconds.map((other) => other.second).join(', '));
    }
  }
  return words.set('help', 'show what a command does');
}

/** Commands of two words by the first of them. */
export function groups(commands: readonly OfferedCommand[]): ReadonlyMap<string, readonly OfferedCommand[]> {
  const found = new Map<string, OfferedCommand[]>();
  for (const command of commands) {
    if (command.second === undefined) continue;
    found.set(command.first, [...(found.get(command.first) ?? []), command]);
  }
  return found;
}

/** A word as a POSIX shell takes it literally. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
