/** Reads `~/.fwknoprc`. */
import { readFileSync, statSync } from 'node:fs';
import { EXIT, nearest, PersonError } from '@postern/terminal';
import { exposureOf } from '../platform.ts';
import {
  type Assignment,
  FWKNOPRC_VARIABLES,
  type FwknoprcVariable,
  isOn,
  isVariable,
  SECRET_VARIABLES,
  SWITCHES,
} from './variables.ts';

/** One line of a stanza. */
export interface RcEntry {
  readonly name: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
  /** Whether something that is no comment stands behind the value, where nobody reads it. */
  readonly cut: boolean;
}

/** A stanza. */
export interface RcStanza {
  readonly name: string;
  /** Of its heading, from 1. */
  readonly line: number;
  readonly entries: readonly RcEntry[];
}

/** A file. */
export interface Fwknoprc {
  readonly path: string;
  readonly text: string;
  readonly stanzas: readonly RcStanza[];
  /** Lines with a variable before the first stanza: nobody reads them. */
  readonly astray: readonly number[];
}

/** Longest file that is read, in bytes. */
const FILE_MAX = 1024 * 1024;
/** What was meant, where fwknop's own sample file is wrong. */
const MEANT: Readonly<Record<string, FwknoprcVariable>> = { CLIENT_TIMEOUT: 'FW_TIMEOUT' };

/**
 * Reads the text of a file: `[stanza]`, and lines of a name and a value, with a colon between them or without. A value ends with white space, `;`
 * or `#`. What the variables mean is not looked at.
 *
 * @throws PersonError for a line that is neither; its text is not shown, as it may hold a key
 */
export function parseFwknoprc(text: string, path: string): Fwknoprc {
  const stanzas: { name: string; line: number; entries: RcEntry[] }[] = [];
  const astray: number[] = [];
  for (const [index, whole] of text.split('\n').entries()) {
    const [line, content] = [index + 1, whole.trim()];
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;
    const heading = /^\[([^\]]+)\]\s*(?:[#;].*)?$/.exec(content)?.[1]?.trim();
    if (heading !== undefined && heading !== '') {
      stanzas.push({ name: heading, line, entries: [] });
      continue;
    }
    const [, name, value, rest = ''] = /^([A-Za-z0-9_]+)(?::\s*|\s+:?\s*)([^\s;#]+)(.*)$/.exec(content) ?? [];
    if (name === undefined || value === undefined) {
      throw wrong(`${path}:${line}: \`[stanza]\`, or a variable and its value expected`, 'for example: ACCESS tcp/22');
    }
    const stanza = stanzas.at(-1);
    const cut = !/^\s*(?:[;#].*)?$/.test(rest);
    if (stanza === undefined) astray.push(line);
    else stanza.entries.push({ name, value, line, cut });
  }
  return { path, text, stanzas, astray };
}

/**
 * Reads a file; undefined if there is none.
 *
 * @throws PersonError if others could read or change one that holds a key, or it cannot be read or understood
 */
export function readFwknoprc(path: string): Fwknoprc | undefined {
  let file: Fwknoprc;
  try {
    const stats = statSync(path);
    if (stats.size > FILE_MAX) throw wrong(`${path} is longer than ${FILE_MAX} bytes`, 'is it a file of fwknop?');
    file = parseFwknoprc(readFileSync(path, 'utf8'), path);
    const exposure = exposureOf(path, stats);
    const secret = file.stanzas.some(({ entries }) => entries.some(({ name }) => SECRET_VARIABLES.has(name)));
    if (secret && exposure !== undefined) {
      throw wrong(`${path} holds keys and ${exposure.what}`, `\`${exposure.mend}\` makes it private`);
    }
  } catch (error) {
    if (error instanceof PersonError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw wrong(`cannot read ${path}: ${code ?? String(error)}`, undefined);
  }
  return file;
}

/** The stanza of a name, as it is written or in other capitals. @throws PersonError if there are two */
export function findStanza(file: Fwknoprc, name: string): RcStanza | undefined {
  const exact = file.stanzas.filter((stanza) => stanza.name === name);
  const found =
    exact.length > 0 ? exact : file.stanzas.filter((stanza) => stanza.name.toLowerCase() === name.toLowerCase());
  const [first, second] = found;
  if (first !== undefined && second !== undefined) {
    throw wrong(
      `${file.path}: there are two stanzas [${name}], in lines ${first.line} and ${second.line}`,
      'give one of them another name',
    );
  }
  return first;
}

/** What is wrong with an entry, and what would be right; undefined if it can be read. */
export function troubleOf({ name, value }: RcEntry): { readonly what: string; readonly hint: string } | undefined {
  if (!isVariable(name)) {
    const meant = MEANT[name] ?? nearest(name, FWKNOPRC_VARIABLES);
    return {
      what: `fwknop has no variable ${name}`,
      hint: meant === undefined ? 'take the line out' : `did you mean ${meant}?`,
    };
  }
  if (SWITCHES.has(name) && !isOn(value) && !/^(n|no|0|false|off)$/i.test(value)) {
    return { what: `${name}: Y or N expected`, hint: 'fwknop takes everything but Y for no' };
  }
  return undefined;
}

/** What a stanza says, as settings. @throws PersonError for what fwknop does not know */
export function assignmentsOf({ path }: Pick<Fwknoprc, 'path'>, stanza: RcStanza): Assignment[] {
  return stanza.entries.flatMap((entry) => {
    const { name, value, line } = entry;
    const trouble = troubleOf(entry);
    if (trouble !== undefined) throw wrong(`${path}:${line}: ${trouble.what}`, trouble.hint);
    return isVariable(name) ? [{ name, value, from: `${path}:${line}: ${name}` }] : [];
  });
}

/** What is odd in a stanza that was used, for people. */
export function remarksOf(file: Fwknoprc, stanza: RcStanza): string[] {
  return [
    ...file.astray.map((line) => `${file.path}:${line} stands before the first [stanza], where nobody reads it`),
    ...stanza.entries
      .filter(({ cut }) => cut)
      .map(({ name, line }) => `${file.path}:${line}: ${name}: the value ends with the first space, as in fwknop`),
  ];
}

function wrong(message: string, hint: string | undefined): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.configuration });
}
