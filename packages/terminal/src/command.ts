/** Command definitions as data: help, man pages, completion and the reference are all made from them. */
import type { Io } from './io.ts';

/**
 * What a shell may offer for a value: names of files or directories, some words, or what a command of the same program lists (a column
 * of its table, counted from 1; the first line is the heading).
 */
export type Offer = 'files' | 'directories' | readonly string[] | { readonly command: string; readonly column: number };

/** A positional argument. */
export interface Argument {
  /** Shown in capitals. `file` and `dir` are completed as such. */
  readonly name: string;
  readonly help: string;
  readonly offer?: Offer;
  readonly optional?: boolean;
  /** Takes all that is left, options included (`postern ssh HOST …`). Only the last argument. */
  readonly rest?: boolean;
  /** May be given several times (`ssh-config HOST…`); all of them are in `Parsed.rest`. Only the last argument. */
  readonly multiple?: boolean;
}

/** An option: a flag, or with a value when `value` names it. */
export interface Option {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value, in capitals; absent for a flag. `FILE` and `DIR` are completed as such. */
  readonly value?: string;
  readonly help: string;
  readonly offer?: Offer;
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
  /** What a `rest` or `multiple` argument took. */
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
  /**
   * Reads its words itself, in the way of another program: all of them are in `Parsed.rest`. `options` and those of the program are for help
   * and completion then.
   */
  readonly readsWords?: boolean;
  readonly examples: readonly Example[];
  /** Not shown in the list of commands. */
  readonly hidden?: boolean;
  /** Does it, and returns the exit code. Throws a PersonError for everything a person can mend. */
  readonly run: (parsed: Parsed, io: Io) => Promise<number> | number;
}

/** What the man page and the reference say besides the commands. */
export interface Manual {
  /** Section of the man page: 1 for everybody, 8 for administrators. */
  readonly section: 1 | 8;
  readonly exitCodes: readonly { readonly code: number; readonly means: string }[];
  readonly files: readonly { readonly path: string; readonly holds: string }[];
  readonly environment: readonly { readonly name: string; readonly does: string }[];
  /** Other man pages, as `ssh(1)`. */
  readonly seeAlso: readonly string[];
}

/** A program: its commands and the options that every command takes. */
export interface Program {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly description: readonly string[];
  readonly options: readonly Option[];
  readonly commands: readonly Command[];
  readonly manual: Manual;
}
