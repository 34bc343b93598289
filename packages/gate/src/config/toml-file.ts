import { readFileSync } from 'node:fs';
import { EXIT, PersonError } from '@postern/terminal';
import { parse, TomlError } from 'smol-toml';
import { positionOf, type Path } from './positions.ts';

/** A file that was read, with its text, so that an error can say where. */
export interface TomlFile {
  readonly file: string;
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const SYSTEM: Readonly<Record<string, readonly [what: string, hint: string | undefined]>> = {
  ENOENT: ['does not exist', undefined],
  EACCES: ['may not be read by this user', 'run the command as root'],
  EPERM: ['may not be read by this user', 'run the command as root'],
  EISDIR: ['is a directory, where a file is expected', undefined],
  ENOTDIR: ['is below something that is not a directory', undefined],
  ELOOP: ['is a symbolic link to itself', undefined],
};

/** What the TOML library says in words of its own. */
const CLEARER: Readonly<Record<string, string>> = {
  'trying to redefine an already defined table or value': 'this table or key stands above already',
  'document contains an unsafe property': 'this name cannot be used for a table or key',
  'invalid value': 'a value is expected here (text stands in quotes)',
};

/** The name of a system error (`ENOENT`), or undefined for another error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What a system error on `file` means, as a PersonError with {@link EXIT.configuration}. */
export function fileError(file: string, error: unknown, hint?: string): PersonError {
  const code = errorCode(error) ?? 'error';
  const [what, usual] = SYSTEM[code] ?? [`cannot be used: ${code}`, undefined];
  return new PersonError(`${file}: ${what}`, { hint: hint ?? usual, exitCode: EXIT.configuration, cause: error });
}

/** An error about the value or key at `path`: `FILE:LINE:COLUMN: message`. */
export function errorAt(from: TomlFile, path: Path, message: string, hint?: string): PersonError {
  const { line, column } = positionOf(from.text, path);
  return new PersonError(`${from.file}:${line}:${column}: ${message}`, { hint, exitCode: EXIT.configuration });
}

/**
 * Parses `text` as TOML.
 *
 * @param secret - the text holds secrets: no error shows a part of it
 * @throws PersonError `FILE:LINE:COLUMN: …`
 */
export function parseToml(file: string, text: string, secret = false): TomlFile {
  try {
    // Keys such as `constructor` are refused: nothing here is called so, and no table has to be on guard against them.
    return { file, text, data: parse(text, { unsafeKeyBehaviour: 'throw', maxDepth: 16 }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const said = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '');
    const what = CLEARER[said] ?? said;
    const source = text.split('\n')[error.line - 1]?.trim() ?? '';
    const hint = secret || source === '' ? undefined : `the line reads: ${source.slice(0, 120)}`;
    throw new PersonError(`${file}:${error.line}:${error.column}: ${what}`, { hint, exitCode: EXIT.configuration });
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads `file` as text. @throws PersonError when it cannot be read or is not UTF-8 */
export function readText(file: string, missing?: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw fileError(file, error, errorCode(error) === 'ENOENT' ? missing : undefined);
  }
  try {
    return utf8.decode(bytes);
  } catch {
    throw new PersonError(`${file}: is not UTF-8 text`, { exitCode: EXIT.configuration });
  }
}

/** Reads and parses `file`. `missing` is the hint when it does not exist. @throws PersonError as the two above */
export function readToml(file: string, missing?: string): TomlFile {
  return parseToml(file, readText(file, missing));
}
