/** Command definitions as data: help, man pages, completion and the reference are all made from them. */
import type { Io } from './io.ts';

/** A positional argument. */
export interface Argument {
  /** Shown in capitals. */
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
  /** Takes all that is left, options included (`postern ssh HOST …`). Only the last argument. */
  readonly rest?: boolean;
}

/** An option: a flag, or with a value when `value` names it. */
export interface Option {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value, in capitals; absent for a flag. */
  readonly value?: string;
  readonly help: string;
  readonly multiple?: boolean;
}

/** A command line with what it does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** What was typed, after parsing. */
export interface Parsed {
  readonly arguments: Readonly<Record<string, string>>;
  readonly rest: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
}

/** One command; its name may have two words ("user add"). */
export interface Command {
  readonly name: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** Paragraphs for `--help` and the man page. */
  readonly description?: readonly string[];
  readonly arguments?: readonly Argument[];
  readonly options?: readonly Option[];
  readonly examples: readonly Example[];
  /** Not shown in the list of commands. */
  readonly hidden?: boolean;
  /** Does it, and returns the exit code. Throws a PersonError for everything a person can mend. */
  readonly run: (parsed: Parsed, io: Io) => Promise<number> | number;
}

/** A program: its commands and the options that every command takes. */
export interface Program {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly description: readonly string[];
  readonly options: readonly Option[];
  readonly commands: readonly Command[];
}
