/** Reads an access.conf, and what it includes, as fwknop 2.6.10 does: stanzas of variables, each begun by SOURCE. */
import { dirname, isAbsolute, join } from 'node:path';
import { EXIT, PersonError } from '@postern/terminal';
import type { Note } from '../import-note.ts';
import { Secret } from '../secret.ts';
import { meantBy, unknownVariable } from './unknown-variable.ts';
import { parseVariableLine, type Variable } from './variable-line.ts';

/** Characters of one file at most. */
export const MOST_FILE_CHARACTERS = 1_048_576;
/** Files that are read at most. */
const MOST_FILES = 1_024;
/** How deep files may include files, as with fwknop. */
const DEEPEST = 3;

/** Variables whose values are secret: they are never in an error or a report. */
const SECRETS: readonly string[] = ['KEY', 'KEY_BASE64', 'HMAC_KEY', 'HMAC_KEY_BASE64', 'GPG_DECRYPT_PW'];

/** What a file that `%include_keys` names may hold. */
const KEY_VARIABLES: readonly string[] = [
  ...SECRETS,
  ...['HMAC_DIGEST_TYPE', 'ENCRYPTION_MODE', 'GPG_DECRYPT_ID', 'GPG_ALLOW_NO_PW', 'GPG_REQUIRE_SIG', 'GPG_DISABLE_SIG'],
  ...['GPG_IGNORE_SIG_VERIFY_ERROR', 'GPG_REMOTE_ID', 'GPG_FINGERPRINT_ID', 'GPG_HOME_DIR', 'GPG_EXE'],
];

/** Every variable of a stanza; `ALLOW_NO_HMAC` is ours. */
export const ACCESS_VARIABLES: readonly string[] = [
  ...KEY_VARIABLES,
  ...['SOURCE', 'DESTINATION', 'OPEN_PORTS', 'RESTRICT_PORTS', 'ALLOW_NO_HMAC', 'FW_ACCESS_TIMEOUT', 'MAX_FW_TIMEOUT'],
  ...['REQUIRE_SOURCE_ADDRESS', 'REQUIRE_SOURCE', 'REQUIRE_USERNAME', 'ACCESS_EXPIRE', 'ACCESS_EXPIRE_EPOCH'],
  ...['ENABLE_CMD_EXEC', 'CMD_EXEC_USER', 'CMD_EXEC_GROUP', 'ENABLE_CMD_SUDO_EXEC', 'CMD_SUDO_EXEC_USER'],
  ...['CMD_SUDO_EXEC_GROUP', 'CMD_CYCLE_OPEN', 'CMD_CYCLE_CLOSE', 'CMD_CYCLE_TIMER'],
  ...['FORCE_NAT', 'FORCE_SNAT', 'FORCE_MASQUERADE', 'FORWARD_ALL', 'DISABLE_DNAT'],
];

/** A secret value and where it stands. */
export interface SecretVariable extends Omit<Variable, 'value'> {
  /** Its text, as UTF-8. */
  readonly value: Secret;
}

/** One stanza: for each of its variables what was said last. */
export interface AccessStanza {
  readonly file: string;
  /** Line of SOURCE, from 1. */
  readonly line: number;
  readonly values: ReadonlyMap<string, Variable>;
  readonly secrets: ReadonlyMap<string, SecretVariable>;
  /** What is odd about it already; a refused one is why it cannot be used. */
  readonly notes: readonly Note[];
}

/** A whole access.conf, its stanzas in the order in which they are tried. */
export interface AccessFile {
  readonly stanzas: readonly AccessStanza[];
  /** What is odd outside of stanzas. */
  readonly notes: readonly Note[];
}

/** How files are read: as functions, so that a text can be parsed without any. Both throw PersonError. */
export interface AccessReader {
  /** The text of a file. */
  readonly read: (file: string) => string;
  /** Paths of the files in a directory that end with `.conf`, in order. */
  readonly list: (directory: string) => readonly string[];
}

interface Draft {
  readonly file: string;
  readonly line: number;
  readonly values: Map<string, Variable>;
  readonly secrets: Map<string, SecretVariable>;
  readonly notes: Note[];
}

/**
 * Reads the files: `FILE` as from an access.conf, or several as from an ACCESS_FOLDER.
 *
 * @throws PersonError `FILE:LINE: …` for what fwknopd would not start with, and for a SOURCE that was not meant so
 */
export function parseAccess(files: readonly string[], reader: AccessReader): AccessFile {
  const parser = new Parser(reader);
  for (const file of files) parser.file(file, 0, undefined);
  if (parser.stanzas.length === 0) {
    throw new PersonError(`${files[0] ?? 'access.conf'}: no stanza is there: none begins with SOURCE`, {
      hint: 'a stanza begins with a line such as `SOURCE ANY;`, in capitals',
      exitCode: EXIT.configuration,
    });
  }
  return { stanzas: parser.stanzas, notes: parser.notes };
}

class Parser {
  readonly stanzas: Draft[] = [];
  readonly notes: Note[] = [];
  readonly #reader: AccessReader;
  #files = 0;

  constructor(reader: AccessReader) {
    this.#reader = reader;
  }

  /** @param from - the line that includes it */
  file(file: string, depth: number, from: Variable | undefined): void {
    let stanza: Draft | undefined;
    for (const variable of this.#lines(file, from)) {
      const { name } = variable;
      if (name === '%include' || name === '%include_folder') this.#include(variable, depth);
      else if (name === '%include_keys') this.#keys(variable, stanza);
      else if (name === 'SOURCE') {
        stanza = { file, line: variable.line, values: new Map(), secrets: new Map(), notes: [] };
        this.stanzas.push(stanza);
        add(stanza, variable);
      } else if (this.#known(variable, stanza) && stanza !== undefined) add(stanza, variable);
    }
  }

  /** The lines of a file that say something, each with a value. */
  *#lines(file: string, from: Variable | undefined): Generator<Variable> {
    if (++this.#files > MOST_FILES)
      throw error(from ?? { file, line: 1 }, `more than ${MOST_FILES} files are included`);
    const text = this.#reader.read(file);
    if (text.length > MOST_FILE_CHARACTERS)
      throw error({ file, line: 1 }, `it is longer than ${MOST_FILE_CHARACTERS} characters`);
    for (const [index, raw] of text.split('\n').entries()) {
      const read = parseVariableLine(raw);
      if (read === undefined) continue;
      const variable: Variable = { ...read, file, line: index + 1 };
      if (variable.value === '') {
        // What stands there may be a key that lost its name.
        const known = ACCESS_VARIABLES.includes(variable.name) || variable.name.startsWith('%');
        throw error(
          variable,
          known ? `\`${variable.name}\` has no value` : 'a variable and its value are expected',
          known ? `for example: ${variable.name} …;` : 'for example: SOURCE ANY;',
        );
      }
      yield variable;
    }
  }

  #include(variable: Variable, depth: number): void {
    if (depth >= DEEPEST) throw error(variable, `files include each other more than ${DEEPEST} deep`);
    const path = beside(variable);
    const files = variable.name === '%include' ? [path] : this.#reader.list(path);
    for (const file of files) this.file(file, depth + 1, variable);
  }

  /** A file of keys that is wrong takes its stanza with it. */
  #keys(variable: Variable, stanza: Draft | undefined): void {
    if (stanza === undefined) {
      this.notes.push(outside(variable));
      return;
    }
    try {
      for (const inner of this.#lines(beside(variable), variable)) {
        if (!KEY_VARIABLES.includes(inner.name)) {
          const what = ACCESS_VARIABLES.includes(inner.name) ? `\`${inner.name}\` is no key` : 'this is no key';
          throw error(inner, `${what}, and stands in a file of keys`, `move it to ${variable.file}`);
        }
        add(stanza, inner);
      }
    } catch (wrong) {
      if (!(wrong instanceof PersonError)) throw wrong;
      stanza.notes.push({
        ...{ fate: 'refused', file: variable.file, line: variable.line },
        text: `%include_keys: ${wrong.message}`,
        ...(wrong.hint === undefined ? {} : { mend: [wrong.hint] }),
      });
    }
  }

  /** Whether a variable counts; what is odd about it is noted. @throws PersonError for a SOURCE that is spelt wrong */
  #known(variable: Variable, stanza: Draft | undefined): boolean {
    const { name } = variable;
    if (ACCESS_VARIABLES.includes(name)) {
      if (stanza === undefined) this.notes.push(outside(variable));
      return stanza !== undefined;
    }
    const near = meantBy(name, ACCESS_VARIABLES);
    // What follows would belong to the stanza before, and say of that one what was meant of another.
    if (near === 'SOURCE') throw error(variable, `unknown variable \`${name}\``, 'did you mean `SOURCE`?');
    (stanza?.notes ?? this.notes).push(unknownVariable(variable, near));
    return false;
  }
}

function add({ values, secrets, notes }: Draft, variable: Variable): void {
  const { name, file, line } = variable;
  if (values.has(name) || secrets.has(name))
    notes.push({ fate: 'changed', file, line, text: `${name} is there twice: the last one counts` });
  if (SECRETS.includes(name)) secrets.set(name, { ...variable, value: new Secret(Buffer.from(variable.value)) });
  else values.set(name, variable);
}

function outside({ name, file, line }: Variable): Note {
  return {
    fate: 'no-meaning',
    file,
    line,
    text: `${name} stands before the first SOURCE: fwknopd passes it over, too`,
  };
}

function beside({ value, file }: Variable): string {
  return isAbsolute(value) ? value : join(dirname(file), value);
}

function error({ file, line }: { file: string; line: number }, message: string, hint?: string): PersonError {
  return new PersonError(`${file}:${line}: ${message}`, { hint, exitCode: EXIT.configuration });
}
